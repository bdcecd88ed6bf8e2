/** OpenAI's routes field by field, over real models in this process. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { PRACTICE, TOO_LONG } from "../engine/_practice.ts";
import { TOOLS, toChunks } from "./_agent.ts";
import type { Answer, Json } from "./_agent.ts";
import { startInProcess } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";

let folder: string;
let server: InProcessServer;
const lines: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-routes-"));
  const mistral = join(folder, "mistral.gguf");
  const cut = join(folder, "cut.gguf");
  const script = ["[TOOL_CALLS]", '[{"name": ', '"read", "argum', 'ents": {"path"', ': "a.txt"}}]'];
  const chatTemplate =
    "{% for m in messages %}{{ m.content }}{% endfor %}{% if false %}{{ id | length != 9 }}[TOOL_CALLS]{% endif %}";
  await writeTinyModel(mistral, { script, chatTemplate });
  await writeTinyModel(cut, { script: ["<tool_call>", '{"name": "read", "arguments": {', '"path": "a'] });
  const twice = join(folder, "twice.gguf");
  await writeTinyModel(twice, { script: ["[7", ", 7", "]"] });
  const entries = await Promise.all([PRACTICE_MODEL, mistral, cut, twice].map((path) => toFileEntry(path)));
  server = await startInProcess(entries, { log: (line) => lines.push(line) });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const CREATE = { role: "user", content: 'create a file notes.txt with the text "buy milk"' };
const CHAT = { model: "lmagent-practice", messages: [CREATE], temperature: 0 };

const chat = (body: Json): Promise<Answer> => server.post("/v1/chat/completions", { ...CHAT, ...body });

const firstToken = async (content: string): Promise<number> => {
  const { tokens } = (await server.post("/tokenize", { model: CHAT.model, content })).json;
  return (tokens as number[])[0] as number;
};

interface Choice {
  index: number;
  text: string;
  finish_reason: string;
  message: { content: string | null; tool_calls?: Json[]; function_call?: Json; reasoning?: string };
  logprobs: { content: { token: string; logprob: number; bytes: number[]; top_logprobs: Json[] }[] };
}

const choicesOf = ({ json, text }: Answer): Choice[] => {
  if (json["choices"] === undefined) throw new Error(text);
  return json["choices"] as Choice[];
};

describe("a chat completion", () => {
  test("has as many answers as were asked for, each with its number, and the prompt counts once", async () => {
    const body = {
      n: 3,
      temperature: 3,
      top_p: 1,
      top_k: 0,
      min_p: 0,
      seed: 5,
      max_tokens: 8,
      stream_options: { include_usage: true },
    };
    const whole = await chat(body);
    expect(choicesOf(whole).map(({ index }) => index)).toEqual([0, 1, 2]);
    const texts = choicesOf(whole).map(({ message }) => message.content);
    expect(new Set(texts).size).toBeGreaterThan(1);
    const chunks = toChunks((await chat({ ...body, stream: true })).text) as unknown as {
      choices: { index: number; delta: { content?: string }; finish_reason: string | null }[];
      usage?: Json;
    }[];
    const pieces = chunks.flatMap(({ choices }) => choices);
    const streamed = [0, 1, 2].map((at) =>
      pieces.map(({ index, delta }) => (index === at ? (delta.content ?? "") : "")).join(""),
    );
    expect(streamed).toEqual(texts);
    expect(
      pieces
        .filter((piece) => piece.finish_reason !== null)
        .map(({ index }) => index)
        .toSorted((one, other) => one - other),
    ).toEqual([0, 1, 2]);
    const usages = chunks.flatMap(({ usage }) => (usage === undefined ? [] : [usage]));
    expect(usages).toHaveLength(1);
    const { prompt_tokens: prompt } = (await chat({ max_tokens: 1 })).json["usage"] as Json;
    expect(usages[0]).toMatchObject({
      prompt_tokens: prompt,
      completion_tokens: expect.any(Number) as number,
    });
  });

  test("carries the chances of exactly the tokens of its content", async () => {
    for (const stream of [false, true]) {
      const answer = await chat({ logprobs: true, top_logprobs: 3, max_tokens: 10, stream });
      const tokens = stream
        ? (toChunks(answer.text) as unknown as { choices: Choice[] }[]).flatMap(({ choices }) =>
            choices.flatMap(({ logprobs }) => logprobs?.content ?? []),
          )
        : (choicesOf(answer)[0]?.logprobs.content ?? []);
      const content = stream
        ? toChunks(answer.text)
            .flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? ""))
            .join("")
        : (choicesOf(answer)[0]?.message.content ?? "");
      expect(tokens.map(({ token }) => token).join("")).toBe(content);
      for (const { token, logprob, bytes, top_logprobs: top } of tokens) {
        expect(logprob).toBeLessThanOrEqual(0);
        expect(Buffer.from(bytes).toString()).toBe(token);
        expect(top).toHaveLength(3);
      }
    }
  });

  test("is any object, or one of a schema, when JSON is asked for", async () => {
    const schema = {
      type: "object",
      properties: { a: { enum: [1, 2] } },
      required: ["a"],
      additionalProperties: false,
    };
    const forms: Json[] = [
      { response_format: { type: "json_schema", json_schema: { name: "x", schema } } },
      { response_format: { type: "json_schema", schema } },
      { response_format: { type: "json_object", schema } },
      { json_schema: schema },
    ];
    for (const form of forms) {
      const [choice] = choicesOf(await chat({ ...form, max_tokens: 60 }));
      expect(JSON.parse(choice?.message.content ?? "")).toEqual({ a: expect.any(Number) as number });
    }
    const [free] = choicesOf(await chat({ response_format: { type: "json_object" }, max_tokens: 60 }));
    expect(free?.message.content).toMatch(/^\s*\{/);
    const [ruled] = choicesOf(await chat({ grammar: 'root ::= "yes" | "no"' }));
    expect(["yes", "no"]).toContain(ruled?.message.content);
    const [text] = choicesOf(await chat({ response_format: { type: "text" }, max_tokens: 3 }));
    expect(text?.finish_reason).toBe("length");
  });

  test("is held to what no grammar can see to, tried twice, and refused where that is strict", async () => {
    const schema = { type: "array", items: { type: "integer" }, uniqueItems: true };
    const ask = (strict: boolean, more: Json = {}): Promise<Answer> =>
      chat({
        model: "twice",
        response_format: { type: "json_schema", json_schema: { name: "x", strict, schema } },
        ...more,
      });
    const relaxed = choicesOf(await ask(false))[0];
    expect(relaxed?.message.content).toBe("[7, 7]");
    expect(lines.at(-1)).toMatch(/twice.*uniqueItems/);
    const { status, json } = await ask(true);
    expect([status, json["error"]]).toMatchObject([400, { code: "schema_not_kept" }]);
    expect((json["error"] as Json)["message"]).toContain("uniqueItems");
    const streamed = await ask(true, { stream: true });
    expect(streamed.text).not.toContain('"content":"[7');
    expect(streamed.text).toContain("schema_not_kept");
  });

  test("is a call or an answer of the schema where both may come", async () => {
    const schema = { type: "object", properties: { verdict: { enum: ["good"] } }, required: ["verdict"] };
    const both = {
      tools: TOOLS,
      response_format: { type: "json_schema", json_schema: { name: "x", schema } },
    };
    const called = choicesOf(await chat(both))[0];
    expect(called).toMatchObject({
      finish_reason: "tool_calls",
      message: { content: null, tool_calls: [{ function: { name: "write" } }] },
    });
    const ruledOut = { logit_bias: { [String(await firstToken("<tool_call>"))]: -100 } };
    const answered = choicesOf(await chat({ ...both, ...ruledOut, max_tokens: 60 }))[0];
    expect(JSON.parse(answered?.message.content ?? "")).toEqual({ verdict: "good" });
    const { status, json } = await chat({ tools: TOOLS, grammar: 'root ::= "x"' });
    expect([status, json["error"]]).toMatchObject([400, { param: "grammar" }]);
  });

  test("is refused for a schema that nobody can keep, by the keyword", async () => {
    const schema = { type: "object", properties: { a: { type: "string", format: "no-such-format" } } };
    const format = (strict: boolean): Json => ({
      response_format: { type: "json_schema", json_schema: { name: "x", strict, schema } },
      max_tokens: 1,
    });
    const { status, json } = await chat(format(true));
    expect([status, json["error"]]).toMatchObject([
      400,
      { code: "schema_not_supported", param: "schema#/properties/a/format" },
    ]);
    expect((await chat(format(false))).status).toBe(200);
    expect(lines.at(-1)).toContain("#/properties/a/format");
  });

  test("is refused for a strict tool whose schema nobody can keep, and tells of others in the log", async () => {
    const parameters = { type: "object", properties: { a: { $ref: "#/$defs/gone" } } };
    const unique = { type: "object", properties: { a: { type: "array", uniqueItems: true } } };
    for (const [schema, pointer] of [
      [parameters, "`$ref` at `#/properties/a`"],
      [unique, "`#/properties/a/uniqueItems`"],
    ] as const) {
      const tool = (strict: boolean): Json => ({ name: "odd", parameters: schema, strict });
      const { model, messages } = CHAT;
      const message = expect.stringContaining(pointer) as string;
      const error = { message, code: "schema_not_supported", param: "tools" };
      const [chats, responses, anthropic] = await Promise.all([
        chat({ tools: [{ type: "function", function: tool(true) }], stream: true }),
        server.post("/v1/responses", { model, input: "x", tools: [{ type: "function", ...tool(true) }] }),
        server.post("/v1/messages", {
          model,
          messages,
          tools: [{ name: "odd", input_schema: schema, strict: true }],
        }),
      ]);
      expect(chats).toMatchObject({ status: 400, json: { error } });
      expect(responses).toMatchObject({ status: 400, json: { error } });
      expect(anthropic).toMatchObject({ status: 400, json: { error: { message } } });
      const tools = [{ type: "function", function: tool(false) }];
      for (let turn = 0; turn < 2; turn += 1)
        expect((await chat({ tools, tool_choice: "none" })).status).toBe(200);
      expect(lines.filter((line) => line.includes(pointer))).toEqual([]);
      for (let turn = 0; turn < 2; turn += 1)
        expect((await chat({ tools, tool_choice: "required", max_tokens: 2 })).status).toBe(200);
      expect(lines.filter((line) => line.includes(pointer))).toHaveLength(1);
    }
  });

  test("has no room for thinking before JSON where the template shows none", async () => {
    for (let seed = 0; seed < 5; seed += 1) {
      const answer = await chat({
        response_format: { type: "json_schema", json_schema: { schema: { type: "integer", minimum: 1 } } },
        logit_bias: { [await firstToken("<")]: 100 },
        temperature: 1,
        max_tokens: 4,
        seed,
      });
      expect(choicesOf(answer)[0]?.message).toMatchObject({
        content: expect.stringMatching(/^[1-9]/) as string,
      });
    }
  });

  test("may be a call of only some tools", async () => {
    const only = (mode: string): Json => ({
      type: "allowed_tools",
      allowed_tools: { mode, tools: [{ type: "function", function: { name: "read" } }] },
    });
    for (const mode of ["auto", "required"]) {
      const [choice] = choicesOf(await chat({ tools: TOOLS, tool_choice: only(mode), max_tokens: 100 }));
      expect(choice?.message.tool_calls?.map((call) => (call["function"] as Json)["name"])).toEqual(["read"]);
    }
  });

  test("speaks of functions with clients from before tools", async () => {
    const functions = TOOLS.map((tool) => tool["function"]);
    const first = choicesOf(await chat({ functions }))[0];
    expect(first).toMatchObject({
      finish_reason: "function_call",
      message: { content: null, function_call: { name: "write" } },
    });
    expect(first?.message.tool_calls).toBeUndefined();
    const named = choicesOf(await chat({ functions, function_call: { name: "read" }, max_tokens: 60 }))[0];
    expect(named?.message.function_call?.["name"]).toBe("read");
    const streamed = toChunks((await chat({ functions, stream: true })).text) as unknown as {
      choices: { delta: { function_call?: { name?: string; arguments?: string } } }[];
    }[];
    const deltas = streamed.flatMap(({ choices }) =>
      choices.flatMap(({ delta }) => delta.function_call ?? []),
    );
    expect(deltas[0]).toEqual({ name: "write", arguments: "" });
    expect(JSON.parse(deltas.map((delta) => delta.arguments ?? "").join(""))).toEqual({
      path: "notes.txt",
      content: "buy milk",
    });
    const { status } = await chat({
      functions,
      messages: [
        CREATE,
        { role: "assistant", content: null, function_call: { name: "write", arguments: "{}" } },
        { role: "function", name: "write", content: "done" },
      ],
    });
    expect(status).toBe(200);
  });

  test("reads calls in a form of another family, with ids as its template wants them", async () => {
    for (const stream of [false, true]) {
      const answer = await chat({ model: "mistral", tools: TOOLS, stream });
      const calls = stream
        ? toChunks(answer.text).flatMap(({ choices }) =>
            choices.flatMap(({ delta }) => delta.tool_calls ?? []),
          )
        : choicesOf(answer)[0]?.message.tool_calls;
      expect(calls?.[0]).toMatchObject({ id: expect.stringMatching(/^[a-zA-Z0-9]{9}$/) as string });
      expect(answer.text).toContain(String.raw`{\"path\":\"a.txt\"}`);
      expect(answer.text).toContain('"finish_reason":"tool_calls"');
      expect(answer.text).not.toContain("TOOL_CALLS");
    }
    const [none] = choicesOf(await chat({ model: "mistral" }));
    expect(none?.message.content).toContain("[TOOL_CALLS]");
  });

  test("whose call has no end was cut, and says so", async () => {
    const [choice] = choicesOf(await chat({ model: "cut", tools: TOOLS, max_tokens: 3 }));
    expect(choice?.finish_reason).toBe("length");
  });

  test("goes on where an answer has begun", async () => {
    const begun = { role: "assistant", content: "I have" };
    const [choice] = choicesOf(await chat({ messages: [CREATE, begun], max_tokens: 5 }));
    const prompt = (await server.post("/apply-template", { model: CHAT.model, messages: [CREATE, begun] }))
      .json["prompt"] as string;
    expect(prompt.endsWith("I have")).toBe(true);
    expect(choice?.finish_reason).toMatch(/stop|length/);
  });

  test("refuses by name what is not sound", async () => {
    const image = (url: string): Json => ({
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "see" },
            { type: "image_url", image_url: { url } },
          ],
        },
      ],
    });
    const cases: [Json, string, string | null][] = [
      [image("data:image/png;base64,aGk="), "messages.0.content.1", "unsupported_content"],
      [image("https://example.com/a.png"), "messages.0.content.1", "unsupported_content"],
      [
        { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: {} }] }] },
        "messages.0.content.0",
        "unsupported_content",
      ],
      [{ top_logprobs: 2 }, "top_logprobs", null],
      [{ top_logprobs: 21, logprobs: true }, "top_logprobs", null],
      [{ logit_bias: { hello: 1 } }, "logit_bias.hello", null],
      [{ stop: Array.from({ length: 17 }, String) }, "stop", null],
      [{ frequency_penalty: 3 }, "frequency_penalty", null],
      [{ response_format: { type: "xml" } }, "response_format.type", null],
      [{ response_format: { type: "json_object" }, grammar: 'root ::= "x"' }, "grammar", null],
      [{ n: 0 }, "n", null],
      [{ ttl: -5 }, "ttl", null],
      [{ ttl: 1e300 }, "ttl", null],
    ];
    for (const [body, param, code] of cases) {
      const { status, json } = await chat(body);
      expect({ status, error: json["error"] }).toMatchObject({ status: 400, error: { param, code } });
    }
  });

  test("takes any number of tokens to write, and rules tokens out", async () => {
    expect((await chat({ max_tokens: 1e9, stop: ["notes"] })).status).toBe(200);
    const [free] = choicesOf(await chat({ max_tokens: 1 }));
    const { tokens } = (await server.post("/tokenize", { model: CHAT.model, content: free?.message.content }))
      .json;
    const [first] = tokens as number[];
    const [biased] = choicesOf(await chat({ max_tokens: 1, logit_bias: { [String(first)]: -100 } }));
    expect(biased?.message.content).not.toBe(free?.message.content);
  });

  test("keeps a model no longer than its `ttl`", async () => {
    await chat({ model: "cut", max_tokens: 1, ttl: 120 });
    expect(server.models.loaded().find(({ id }) => id === "cut")?.ttlMs).toBe(120_000);
  });
});

describe("a completion", () => {
  const complete = (body: Json): Promise<Answer> =>
    server.post("/v1/completions", { model: "lmagent-practice", max_tokens: 4, temperature: 0, ...body });

  test("answers every prompt, in order, also from tokens and with an echo", async () => {
    const answer = await complete({ prompt: ["<|user|>hi", "<|user|>bye"], n: 2, echo: true });
    const choices = choicesOf(answer);
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(choices.map(({ text }) => text.slice(8, 10))).toEqual(["hi", "hi", "by", "by"]);
    const { tokens } = (await server.post("/tokenize", { model: CHAT.model, content: "<|user|>hi" })).json;
    const fromTokens = choicesOf(await complete({ prompt: tokens, echo: true }));
    expect(fromTokens[0]?.text).toBe(choices[0]?.text);
    const nothing = choicesOf(await complete({ prompt: "abc", echo: true, max_tokens: 0 }));
    expect(nothing[0]).toMatchObject({ text: "abc", finish_reason: "length" });
  });

  test("has chances in the old shape", async () => {
    const [choice] = choicesOf(await complete({ prompt: "<|user|>hi<|end|><|assistant|>", logprobs: 2 }));
    const logprobs = choice?.logprobs as unknown as {
      tokens: string[];
      token_logprobs: number[];
      top_logprobs: Json[];
      text_offset: number[];
    };
    expect(logprobs.tokens.join("")).toBe(choice?.text);
    expect(logprobs.text_offset[1]).toBe(logprobs.tokens[0]?.length);
    expect(Object.keys(logprobs.top_logprobs[0] ?? {})).toHaveLength(2);
    expect(logprobs.token_logprobs).toHaveLength(logprobs.tokens.length);
  });

  test("refuses what it cannot do by name", async () => {
    const cases: [Json, string][] = [
      [{ prompt: "x", suffix: "y" }, "suffix"],
      [{ prompt: "x", best_of: 3 }, "best_of"],
      [{ prompt: "x", echo: true, logprobs: 1 }, "echo"],
      [{ prompt: [] }, "prompt"],
      [{}, "prompt"],
      [{ prompt: "x", max_tokens: 0 }, "max_tokens"],
    ];
    for (const [body, param] of cases) {
      const { status, json } = await complete(body);
      expect({ status, error: json["error"] }).toMatchObject({ status: 400, error: { param } });
    }
    for (const [path, body] of [
      ["/v1/completions", { prompt: [99_999_999] }],
      ["/detokenize", { tokens: [99_999_999] }],
    ] as const) {
      const { status, text } = await server.post(path, { model: CHAT.model, ...body });
      expect([status, text]).toEqual([400, expect.stringContaining("no token 99999999")]);
    }
    const error = { code: "context_length_exceeded", param: "prompt", n_ctx: PRACTICE.contextTokens };
    expect((await complete({ prompt: TOO_LONG })).json["error"]).toMatchObject(error);
  });
});
