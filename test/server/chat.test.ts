import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AcquiredEngine } from "../../src/engine/index.ts";
import { PRACTICE, TOO_LONG } from "../engine/_practice.ts";
import {
  ask,
  chat,
  CREATED,
  createTestHome,
  defineTool,
  joinCalls,
  joinContent,
  toChunks,
  engineChildOf,
  readTicks,
  TOOLS,
  waitFor,
} from "./_agent.ts";
import type { Json, TestHome, Usage } from "./_agent.ts";
import { LONG_PARAMETERS } from "./_dialects.ts";

let home: TestHome;
let engine: AcquiredEngine;

beforeAll(async () => {
  home = await createTestHome();
  engine = await home.acquire();
});

afterAll(() => home.close());

const CREATE = { role: "user", content: 'create a file notes.txt with the text "buy milk"' };
const HELLO = { role: "user", content: "hello" };

const authorized = (): { authorization: string } => ({ authorization: `Bearer ${engine.apiKey}` });
const root = (): string => engine.baseUrl.replace(/\/v1$/, "");

/** The grammar makes this one long: sixty fields that must all be there. */
const LONG: Json = {
  messages: [CREATE],
  tools: [{ type: "function", function: { name: "fill", parameters: LONG_PARAMETERS } }],
  tool_choice: "required",
  max_tokens: 1500,
};

function messageOf(json: Json): {
  content: string | null;
  tool_calls?: { id: string; type: string; function: { name: string; arguments: string } }[];
} {
  return (json["choices"] as { message: ReturnType<typeof messageOf> }[])[0]?.message ?? { content: null };
}

describe("a chat completion", () => {
  test("streams a tool call: id and name first, then arguments", async () => {
    const { status, headers, text } = await chat(engine, {
      messages: [CREATE],
      tools: TOOLS,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = toChunks(text);
    const deltas = chunks.flatMap(({ choices }) => choices.flatMap(({ delta }) => delta.tool_calls ?? []));
    expect([status, headers["content-type"]]).toEqual([200, "text/event-stream; charset=utf-8"]);
    expect(chunks[0]?.choices[0]?.delta).toEqual({ role: "assistant", content: null });
    expect(deltas[0]).toEqual({
      index: 0,
      id: expect.stringMatching(/^call_[a-zA-Z0-9]{24}$/) as string,
      type: "function",
      function: { name: "write", arguments: "" },
    });
    expect(
      deltas
        .slice(1)
        .every(
          ({ id, type, function: { name } }) => id === undefined && type === undefined && name === undefined,
        ),
    ).toBe(true);
    expect(joinCalls(chunks)).toEqual([
      { name: "write", arguments: '{"path": "notes.txt", "content": "buy milk"}' },
    ]);
    expect(joinContent(chunks)).toBe("");
    expect(chunks.map(({ choices }) => choices[0]?.finish_reason).filter(Boolean)).toEqual(["tool_calls"]);
    const body = JSON.stringify({ messages: [CREATE], tools: TOOLS });
    const { json } = await ask(`${root()}/tokenize`, { method: "POST", headers: authorized(), body });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: json["count"] } });
    expect(chunks.at(-2)?.timings).toMatchObject({
      predicted_n: expect.any(Number) as number,
      prompt_ms: expect.any(Number) as number,
    });
  });

  test("comes whole without `stream`", async () => {
    const { status, json } = await chat(engine, {
      messages: [CREATE],
      tools: TOOLS,
      model: "lmagent-practice",
    });
    const message = messageOf(json);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      object: "chat.completion",
      model: "lmagent-practice",
      choices: [{ index: 0, finish_reason: "tool_calls" }],
    });
    expect(message.content).toBeNull();
    expect(JSON.parse(message.tool_calls?.[0]?.function.arguments ?? "")).toEqual({
      path: "notes.txt",
      content: "buy milk",
    });
  });

  test("reports how much of the next turn's prompt was still there", async () => {
    const first = await chat(engine, { messages: [CREATE], tools: TOOLS });
    const { tool_calls: calls } = messageOf(first.json);
    const result = { role: "tool", tool_call_id: calls?.[0]?.id, content: CREATED };
    const next = await chat(engine, {
      messages: [CREATE, { role: "assistant", content: null, tool_calls: calls }, result],
      tools: TOOLS,
    });
    const usage = next.json["usage"] as Usage;
    const before = first.json["usage"] as Usage;
    // All of the first prompt, and all of the reply but its end.
    expect(usage.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(
      before.prompt_tokens + before.completion_tokens - 2,
    );
    expect(messageOf(next.json).content).toMatch(/notes\.txt/);
    expect(next.json["timings"]).toMatchObject({
      cache_n: usage.prompt_tokens_details.cached_tokens,
      prompt_n: usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens,
    });
  });

  test("shows the progress of a long prompt when asked to", async () => {
    const messages = [{ role: "user", content: "word ".repeat(700) }];
    const { text } = await chat(engine, { messages, stream: true, return_progress: true, max_tokens: 1 });
    const progress = toChunks(text)
      .map((chunk) => chunk.prompt_progress)
      .filter((one) => one !== undefined);
    const processed = progress.map((one) => one["processed"] as number);
    expect(processed.length).toBeGreaterThan(3);
    expect(processed).toEqual(processed.toSorted((a, b) => a - b));
    expect(progress[0]).toMatchObject({
      cache: expect.any(Number) as number,
      total: expect.any(Number) as number,
      time_ms: expect.any(Number) as number,
    });
  });

  test("is kept to the declared tools by the grammar", async () => {
    const parameters = { mode: { enum: ["fast", "slow"] }, count: { type: "integer" } };
    // Left to itself, the model would give `write` a path and a content, and call nothing else.
    for (const [name, tool_choice] of Object.entries({ write: "auto", fetch: "required" })) {
      const tools = [defineTool(name, parameters)];
      const { json } = await chat(engine, { messages: [CREATE], tools, tool_choice, max_tokens: 200 });
      const call = messageOf(json).tool_calls?.[0]?.function;
      expect(call?.name).toBe(name);
      expect(JSON.parse(call?.arguments ?? "")).toEqual({
        mode: expect.stringMatching(/^(fast|slow)$/) as string,
        count: expect.any(Number) as number,
      });
    }
  });

  test("has a grammar that llama.cpp takes for every schema, however odd", async () => {
    const tree = {
      type: "object",
      properties: { name: { type: "string" }, children: { type: "array", items: { $ref: "#/$defs/tree" } } },
    };
    const odd = [
      defineTool("mcp__srv.x/do-it é", {
        'a "b"\n\\]': { type: "string" },
        ä: { enum: ['"]\\', "\t", 1.5, null] },
      }),
      defineTool("empty", {}),
      defineTool("root", {
        root: { type: ["string", "null"] },
        ws: {},
        value: { anyOf: [{ type: "integer" }, { const: "x" }] },
      }),
      defineTool(
        "many",
        Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`p${at}`, { type: "boolean" }])),
        ["p4"],
      ),
      defineTool("map", {
        m: { type: "object", additionalProperties: { type: "number" } },
        none: { type: "object", additionalProperties: false },
      }),
      {
        type: "function",
        function: {
          name: "tree",
          parameters: { $defs: { tree }, type: "object", properties: { top: { $ref: "#/$defs/tree" } } },
        },
      },
      { type: "function", function: { name: "bare" } },
    ];
    for (const tool of [...odd.map((one) => [one]), odd]) {
      const { status, json } = await chat(engine, {
        messages: [CREATE],
        tools: tool,
        tool_choice: "required",
        max_tokens: 60,
      });
      expect({ status, error: json["error"] }).toEqual({ status: 200, error: undefined });
    }
  });

  test("calls at once when a call is required, and the one that is named", async () => {
    const hello = { messages: [HELLO], tools: TOOLS, max_tokens: 200 };
    const free = await chat(engine, hello);
    const required = await chat(engine, { ...hello, tool_choice: "required" });
    const named = await chat(engine, {
      ...hello,
      tool_choice: { type: "function", function: { name: "write" } },
    });
    expect(messageOf(free.json).tool_calls).toBeUndefined();
    const names = TOOLS.map((tool) => tool.function.name);
    expect(names).toContain(messageOf(required.json).tool_calls?.[0]?.function.name);
    expect(messageOf(named.json).tool_calls?.map((call) => call.function.name)).toEqual(["write"]);
  });

  test("leaves calls alone with `tool_choice` none", async () => {
    const { json } = await chat(engine, { messages: [CREATE], tools: TOOLS, tool_choice: "none" });
    expect(messageOf(json).tool_calls).toBeUndefined();
    expect(json).toMatchObject({ choices: [{ finish_reason: "stop" }] });
  });

  test("ends at the token limit, and before a stop string", async () => {
    const limited = await chat(engine, { messages: [CREATE], max_tokens: 3 });
    expect(limited.json).toMatchObject({
      choices: [{ finish_reason: "length" }],
      usage: { completion_tokens: 3 },
    });
    const whole = messageOf((await chat(engine, { messages: [HELLO] })).json).content ?? "";
    const stop = whole.slice(9, 14);
    const stopped = await chat(engine, { messages: [HELLO], stop: [stop] });
    expect(messageOf(stopped.json).content).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(stopped.json).toMatchObject({ choices: [{ finish_reason: "stop" }] });
  });

  test("is the same again with the same seed", async () => {
    const body = { messages: [HELLO], temperature: 2, seed: 7, max_tokens: 30 };
    const texts = await Promise.all([chat(engine, body), chat(engine, body)]);
    expect(messageOf(texts[0].json).content).toBe(messageOf(texts[1].json).content);
  });

  test("serves two clients at once", async () => {
    const [one, two, three] = await Promise.all(
      ["a.txt", "b.txt", "c.txt"].map((name) =>
        chat(engine, {
          messages: [{ role: "user", content: `create a file ${name} with the text "buy milk"` }],
          tools: TOOLS,
        }),
      ),
    );
    const paths = [one, two, three].map(
      (answer) =>
        (JSON.parse(messageOf(answer?.json ?? {}).tool_calls?.[0]?.function.arguments ?? "{}") as Json)[
          "path"
        ],
    );
    expect(paths).toEqual(["a.txt", "b.txt", "c.txt"]);
  });

  test("that is cancelled frees its slot", async () => {
    const abort = new AbortController();
    const cancelled = chat(
      engine,
      { ...LONG, stream: true, id_slot: 0 },
      { signal: abort.signal, onText: (text) => text.includes("arguments") && abort.abort() },
    );
    await expect(cancelled).rejects.toThrow(/abort/i);
    const next = await chat(
      engine,
      { messages: [CREATE], id_slot: 0, max_tokens: 2 },
      { signal: AbortSignal.timeout(5_000) },
    );
    expect(next.status).toBe(200);
  });

  test("that is cancelled while the prompt is read stops reading", async () => {
    const long = { messages: [{ role: "user", content: "other ".repeat(600) }], id_slot: 1, max_tokens: 1 };
    const abort = new AbortController();
    const cancelled = chat(
      engine,
      { ...long, stream: true, return_progress: true },
      { signal: abort.signal, onText: (text) => /"processed":[1-9]/.test(text) && abort.abort() },
    );
    await expect(cancelled).rejects.toThrow(/abort/i);
    const { json } = await chat(engine, long);
    const usage = json["usage"] as Usage;
    expect(usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(0);
    expect(usage.prompt_tokens_details.cached_tokens).toBeLessThan(usage.prompt_tokens - 256);
  });

  test("that is cancelled while it waits for its slot gives up its place", async () => {
    const abort = new AbortController();
    const busy = chat(engine, { ...LONG, id_slot: 0, max_tokens: 400 });
    const waiting = chat(engine, { messages: [CREATE], id_slot: 0 }, { signal: abort.signal });
    const later = chat(engine, { messages: [CREATE], id_slot: 0, max_tokens: 2 });
    abort.abort();
    await expect(waiting).rejects.toThrow(/abort/i);
    expect([(await busy).status, (await later).status]).toEqual([200, 200]);
  });

  test("is refused with both counts when the prompt is longer than the window", async () => {
    for (const stream of [false, true]) {
      const { status, json } = await chat(engine, {
        messages: [{ role: "user", content: TOO_LONG }],
        stream,
      });
      expect(status).toBe(400);
      expect(json["error"]).toMatchObject({
        code: "context_length_exceeded",
        type: "invalid_request_error",
        n_ctx: PRACTICE.contextTokens,
        message: expect.stringContaining(
          `maximum context length is ${PRACTICE.contextTokens} tokens`,
        ) as string,
      });
      expect((json["error"] as Json)["n_prompt_tokens"]).toBeGreaterThan(PRACTICE.contextTokens);
    }
  });
});

describe("the other routes", () => {
  test("say who serves, and which model with which window", async () => {
    expect((await ask(`${root()}/health`)).json).toEqual({
      status: "ok",
      server: "lmagent",
      version: "1.2.3",
    });
    const { json } = await ask(`${engine.baseUrl}/models`, { headers: authorized() });
    expect(json).toMatchObject({
      object: "list",
      data: [
        {
          id: "lmagent-practice",
          object: "model",
          context_length: PRACTICE.contextTokens,
          max_model_len: PRACTICE.contextTokens,
          meta: { n_ctx: PRACTICE.contextTokens, size: PRACTICE.fileBytes },
        },
      ],
    });
    expect((await ask(`${root()}/props`, { headers: authorized() })).json).toMatchObject({
      total_slots: 2,
      default_generation_settings: { n_ctx: PRACTICE.contextTokens },
    });
    expect(
      (await ask(`${engine.baseUrl}/models/lmagent-practice`, { headers: authorized() })).json,
    ).toMatchObject({ id: "lmagent-practice" });
  });

  test("need the key", async () => {
    for (const headers of [{}, { authorization: "Bearer wrong" }, { "x-api-key": "" }]) {
      const { status, json } = await ask(`${engine.baseUrl}/models`, { headers });
      expect([status, (json["error"] as Json)["code"]]).toEqual([401, "invalid_api_key"]);
    }
    expect((await ask(`${engine.baseUrl}/models`, { headers: { "x-api-key": engine.apiKey } })).status).toBe(
      200,
    );
  });

  test("answer only to loopback names", async () => {
    expect((await ask(`${root()}/health`, { headers: { host: "evil.example" } })).status).toBe(403);
    expect((await ask(`${root()}/health`, { headers: { host: "LOCALHOST:99" } })).status).toBe(200);
  });

  test("are 404 and 405 as JSON where there is none", async () => {
    const missing = await ask(`${engine.baseUrl}/nothing`, { headers: authorized() });
    expect([missing.status, (missing.json["error"] as Json)["type"]]).toEqual([404, "invalid_request_error"]);
    const wrong = await ask(`${engine.baseUrl}/chat/completions`, { headers: authorized() });
    expect([wrong.status, wrong.headers["allow"]]).toEqual([405, "POST"]);
    const model = await chat(engine, { model: "gpt-4", messages: [CREATE] });
    expect([model.status, (model.json["error"] as Json)["code"]]).toEqual([404, "model_not_found"]);
  });

  test("name what is wrong in a body", async () => {
    const cases: [Json | string, string | null][] = [
      ["{", null],
      ["[]", null],
      [{}, "messages"],
      [{ messages: [] }, "messages"],
      [{ messages: [{ role: "robot", content: "x" }] }, "messages.0.role"],
      [{ messages: [{ role: "user", content: 5 }] }, "messages.0.content"],
      [{ messages: [CREATE], temperature: "hot" }, "temperature"],
      [{ messages: [CREATE], max_tokens: 0 }, "max_tokens"],
      [{ messages: [CREATE], tools: [{ type: "function", function: {} }] }, "tools.0.function.name"],
      [{ messages: [CREATE], tool_choice: "required" }, "tool_choice"],
      [
        { messages: [CREATE], tools: TOOLS, tool_choice: { type: "function", function: { name: "nope" } } },
        "tool_choice.function.name",
      ],
      [
        { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
        "messages.0.content.0",
      ],
      [{ messages: [CREATE], n: 17 }, "n"],
    ];
    for (const [body, param] of cases) {
      const { status, json } = await ask(`${engine.baseUrl}/chat/completions`, {
        method: "POST",
        headers: authorized(),
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      expect({ status, error: json["error"] }).toMatchObject({
        status: 400,
        error: { param, type: "invalid_request_error" },
      });
    }
    expect((await chat(engine, { messages: [CREATE], id_slot: 9 })).status).toBe(400);
  });

  test("refuse a body that is too large before reading it", async () => {
    const { status } = await chat(
      engine,
      { messages: [CREATE] },
      { headers: { ...authorized(), "content-length": String(101 * 1024 * 1024) } },
    );
    expect(status).toBe(413);
  });
});

test("neither process works while nobody asks", async () => {
  const pids = [engine.pid, await engineChildOf(engine.pid)];
  const before = await Promise.all(pids.map(readTicks));
  await waitFor(() => false, 500);
  const after = await Promise.all(pids.map(readTicks));
  // Hundredths of a second of processor time, of fifty.
  expect(after.map((ticks, at) => ticks - (before[at] ?? 0)).every((ticks) => ticks < 10)).toBe(true);
});
