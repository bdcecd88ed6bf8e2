import Anthropic from "@anthropic-ai/sdk";
import * as fc from "../_property.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "./_agent.ts";
import type { Json } from "./_agent.ts";
import {
  announceBody,
  KEY,
  killEngine,
  LONG_PROMPT,
  LONG_PARAMETERS,
  mutate,
  readTokens,
  startDialects,
} from "./_dialects.ts";
import type { Dialects } from "./_dialects.ts";
import { readEvents } from "./_sse.ts";

let server: Dialects;
let client: Anthropic;

beforeAll(async () => {
  server = await startDialects({ slots: 1, queueLimit: 0, sliceTokens: 8 });
  client = new Anthropic({ baseURL: server.url, apiKey: KEY, authToken: null, maxRetries: 0 });
});

afterAll(() => server[Symbol.asyncDispose]());

const BASE = { model: "practice", temperature: 0, max_tokens: 1_500 };
const HELLO = [{ role: "user" as const, content: "hello" }];
/** A call of more than a thousand tokens. */
const LONG = {
  ...BASE,
  messages: [{ role: "user" as const, content: "create a file notes.txt with the text hello" }],
  tools: [{ name: "fill", input_schema: LONG_PARAMETERS }],
  tool_choice: { type: "any" as const },
};

describe("a client that goes", () => {
  test("stops the generation that it streamed", async () => {
    const stream = client.messages.stream(LONG);
    stream.on("inputJson", () => stream.abort());
    await expect(stream.finalMessage()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
    expect(await server.rests()).toBe(true);
    expect(await readTokens(server.models)).toBeLessThan(800);
  });

  test("stops the reading of its prompt", async () => {
    const messages = [{ role: "user" as const, content: LONG_PROMPT }];
    const stream = client.messages.stream({ ...BASE, messages });
    stream.once("streamEvent", () => stream.abort());
    await expect(stream.done()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
    expect(await server.rests()).toBe(true);
    const { input_tokens: whole } = await client.messages.countTokens({ model: BASE.model, messages });
    expect(whole).toBeGreaterThan(3_000);
    expect(await readTokens(server.models)).toBeLessThan(whole);
  });

  test("stops the generation that it waited for", async () => {
    const abort = new AbortController();
    const settled = client.messages.create(LONG, { signal: abort.signal }).then(
      () => "answered",
      (thrown: Error) => thrown.constructor.name,
    );
    await expect.poll(async () => (await server.models.loaded()[0]?.engine.slots())?.[0]?.busy).toBe(true);
    abort.abort();
    expect(await settled).toBe("APIUserAbortError");
    expect(await server.rests()).toBe(true);
    expect(await readTokens(server.models)).toBeLessThan(800);
  });
});

describe("a failure", () => {
  test("in the middle of a stream is an error event, and the next request works", async () => {
    const stream = client.messages.stream(LONG);
    stream.once("inputJson", () => killEngine(server.models));
    await expect(stream.finalMessage()).rejects.toMatchObject({ type: "api_error" });
    expect((await client.messages.create({ ...BASE, messages: HELLO })).stop_reason).toBe("end_turn");
  });

  test("of the queue is an overload, and tokens are counted all the same", async () => {
    const long = client.messages.stream(LONG);
    await long.emitted("streamEvent");
    const refused = await server.post("/v1/messages", { ...BASE, messages: HELLO });
    expect([refused.status, refused.headers["retry-after"]]).toEqual([529, "1"]);
    expect(refused.json).toMatchObject({ type: "error", error: { type: "overloaded_error" } });
    const whole = { special: true, begin: true };
    const prompt = await server.models
      .loaded()[0]
      ?.engine.tokenize("<|user|>hello<|end|><|assistant|>", whole);
    const counts = await Promise.all(
      Array.from({ length: 50 }, () => client.messages.countTokens({ model: "practice", messages: HELLO })),
    );
    expect(new Set(counts.map(({ input_tokens: tokens }) => tokens))).toEqual(new Set([prompt?.length]));
    expect((await server.models.loaded()[0]?.engine.slots())?.[0]?.busy).toBe(true);
    long.abort();
    await long.done().catch(() => undefined);
    expect(await server.rests()).toBe(true);
  });

  test("to fit is told in the words that make Claude Code shorten the conversation", async () => {
    for (const stream of [false, true]) {
      const messages = [{ role: "user", content: "hello ".repeat(5_000) }];
      const { status, json } = await server.post("/v1/messages", { ...BASE, messages, stream });
      expect(status).toBe(400);
      expect(json).toMatchObject({
        type: "error",
        error: {
          type: "invalid_request_error",
          message: expect.stringMatching(/^prompt is too long: \d+ tokens > \d+ maximum$/) as string,
        },
      });
    }
  });

  test("of the client's own has Anthropic's type", async () => {
    const wrongKey = { headers: { authorization: "", "x-api-key": "nobody" } };
    const body = { ...BASE, messages: HELLO };
    const cases: [number, string, Promise<{ status: number; json: Json }>][] = [
      [404, "not_found_error", server.post("/v1/messages", { ...body, model: "claude-x" })],
      [404, "not_found_error", server.post("/v1/messages/count_tokens", { ...body, model: "claude-x" })],
      [404, "not_found_error", server.post("/v1/messages/batches", body)],
      [401, "authentication_error", server.post("/v1/messages", body, wrongKey)],
      [400, "invalid_request_error", server.post("/v1/messages", "{")],
      [405, "invalid_request_error", ask(`${server.url}/v1/messages`, { headers: { "x-api-key": KEY } })],
    ];
    for (const [status, type, answer] of cases) {
      const { status: given, json } = await answer;
      expect([given, json["type"], (json["error"] as Json)["type"]]).toEqual([status, "error", type]);
    }
    expect(await announceBody(server.url, "/v1/messages")).toMatch(/^HTTP\/1.1 413 [^]*request_too_large/);
  });

  test("names the field that is wrong or that this server does not serve", async () => {
    const user = (...content: Json[]): Json => ({ messages: [{ role: "user", content }] });
    const image = { type: "image", source: { type: "url", url: "https://example.com/cat.png" } };
    const cases: [string, Json][] = [
      ["messages", {}],
      ["messages", { messages: [] }],
      ["messages.0.role", { messages: [{ role: "king", content: "a" }] }],
      ["messages.0.content.0.text", user({ type: "text" })],
      ["messages.0.content.0.source", user(image)],
      ["messages.0.content.0.type", user({ type: "telepathy" })],
      ["messages.0.content.0.source.type", user({ type: "document", source: { type: "base64", data: "" } })],
      [
        "messages.0.content.0.content.0.source",
        user({ type: "tool_result", tool_use_id: "a", content: [image] }),
      ],
      ["tools.0.input_schema", { messages: HELLO, tools: [{ name: "a" }] }],
      ["tool_choice", { messages: HELLO, tool_choice: { type: "any" } }],
      ["tool_choice.name", { ...LONG, tool_choice: { type: "tool", name: "gone" } }],
      ["max_tokens", { messages: HELLO, max_tokens: 0 }],
      ["mcp_servers", { messages: HELLO, mcp_servers: [{ type: "url", url: "https://a" }] }],
      ["thinking.type", { messages: HELLO, thinking: { type: "sometimes" } }],
    ];
    for (const [param, body] of cases) {
      const { status, json } = await server.post("/v1/messages", { model: "practice", ...body });
      const { message } = json["error"] as { message: string };
      expect([status, message]).toEqual([400, expect.stringContaining(`\`${param}\``)]);
    }
  });

  test("is never the server's, whatever the body holds", async () => {
    const valid = {
      model: "practice",
      max_tokens: 1,
      system: [{ type: "text", text: "a", cache_control: { type: "ephemeral" } }],
      messages: [
        { role: "user", content: [{ type: "text", text: "a" }] },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "", signature: "lmagent-1.YQ" },
            { type: "text", text: "a" },
            { type: "tool_use", id: "toolu_1", name: "__proto__", input: {} },
          ],
        },
        {
          role: "user",
          content: [
            {
              type: "tool_result",
              tool_use_id: "toolu_1",
              content: [{ type: "text", text: "a" }],
              is_error: true,
            },
            { type: "document", source: { type: "text", data: "a" }, title: "t" },
          ],
        },
      ],
      tools: [{ name: "__proto__", input_schema: { type: "object", properties: { a: { $ref: "#" } } } }],
      tool_choice: { type: "tool", name: "__proto__" },
      thinking: { type: "enabled", budget_tokens: 1024 },
      output_config: { effort: "low" },
      stop_sequences: ["a"],
      stream: false,
      thread: { type: "create" },
    };
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(mutate(valid), mutate({ ...valid, stream: true }), fc.jsonValue()),
        async (body) => {
          const { status, text, json } = await server.post("/v1/messages", body);
          if (status === 200) {
            expect(json["stop_reason"] ?? readEvents(text).at(-1)?.event).toMatch(
              /^(max_tokens|end_turn|stop_sequence|tool_use|message_stop)$/,
            );
            return;
          }
          expect([status, text]).toEqual([expect.toBeOneOf([400, 404]), expect.any(String)]);
          expect(json).toMatchObject({ type: "error", error: { message: expect.any(String) as string } });
        },
      ),
      { numRuns: 80 },
    );
  });
});
