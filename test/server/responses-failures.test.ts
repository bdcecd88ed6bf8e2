import * as fc from "../_property.ts";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
import type { Json } from "./_agent.ts";

let server: Dialects;
let client: OpenAI;

beforeAll(async () => {
  server = await startDialects({ slots: 1, queueLimit: 0, sliceTokens: 8 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: KEY, maxRetries: 0 });
});

afterAll(() => server[Symbol.asyncDispose]());

const BASE = { model: "practice", temperature: 0 } as const;
/** A call of more than a thousand tokens. */
const LONG = {
  ...BASE,
  input: "create a file notes.txt with the text hello",
  tools: [{ type: "function" as const, name: "fill", parameters: LONG_PARAMETERS, strict: false }],
  tool_choice: "required" as const,
  max_output_tokens: 1_500,
};

describe("a client that goes", () => {
  test("stops the generation that it streamed", async () => {
    const stream = await client.responses.create({ ...LONG, stream: true });
    for await (const event of stream) if (event.type === "response.function_call_arguments.delta") break;
    expect(await server.rests()).toBe(true);
    expect(await readTokens(server.models)).toBeLessThan(800);
  });

  test("stops the reading of its prompt", async () => {
    const stream = await client.responses.create({ ...BASE, input: LONG_PROMPT, stream: true });
    for await (const event of stream) if (event.type === "response.created") break;
    expect(await server.rests()).toBe(true);
    const counted = await client.responses.inputTokens.count({ model: BASE.model, input: LONG_PROMPT });
    expect(counted.input_tokens).toBeGreaterThan(3_000);
    expect(await readTokens(server.models)).toBeLessThan(counted.input_tokens);
  });

  test("stops the generation that it waited for", async () => {
    const abort = new AbortController();
    const asked = client.responses.create(LONG, { signal: abort.signal });
    const settled = asked.then(
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
  test("in the middle of a stream is an error and a failed response, and the next request works", async () => {
    let killed = false;
    const { status, text } = await server.post(
      "/v1/responses",
      { ...LONG, stream: true },
      {
        onText: (piece) => {
          if (killed || !piece.includes("function_call_arguments.delta")) return;
          killed = true;
          killEngine(server.models);
        },
      },
    );
    expect(status).toBe(200);
    const [error, failed] = readEvents(text).slice(-2);
    const nested = { type: "server_error", code: "engine_crashed", message: expect.any(String) as string };
    expect(error).toMatchObject({
      event: "error",
      data: { type: "error", code: "engine_crashed", error: nested },
    });
    expect(failed).toMatchObject({
      event: "response.failed",
      data: { response: { status: "failed", error: { code: "server_error" }, output: [{ name: "fill" }] } },
    });
    const next = await client.responses.create({ ...BASE, input: "hello" });
    expect(next.status).toBe("completed");
  });

  test("of the queue is told with the time to wait", async () => {
    const first = await client.responses.create({ ...LONG, stream: true });
    const refused = await server.post("/v1/responses", { ...BASE, input: "hello" });
    expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "1"]);
    expect(refused.json).toMatchObject({ error: { code: "queue_full" } });
    first.controller.abort();
    expect(await server.rests()).toBe(true);
  });

  test("to fit is told with the counts, also to a client that streams", async () => {
    for (const stream of [false, true]) {
      const { status, json } = await server.post("/v1/responses", {
        ...BASE,
        input: "hello ".repeat(5_000),
        truncation: "auto",
        stream,
      });
      expect(status).toBe(400);
      expect(json).toMatchObject({
        error: {
          code: "context_length_exceeded",
          message: expect.stringMatching(/^This model's maximum context length is \d+ tokens/) as string,
          n_prompt_tokens: expect.any(Number) as number,
          n_ctx: expect.any(Number) as number,
        },
      });
    }
  });

  test("of the client's own has a status and a name of its own", async () => {
    const wrongKey = { headers: { authorization: "Bearer nobody" } };
    const cases: [number, string, Promise<{ status: number; json: Json }>][] = [
      [404, "model_not_found", server.post("/v1/responses", { model: "nobody", input: "hello" })],
      [401, "invalid_api_key", server.post("/v1/responses", { ...BASE, input: "hello" }, wrongKey)],
      [400, "invalid_json", server.post("/v1/responses", "{")],
      [
        400,
        "invalid_json",
        server.post("/v1/responses", `{"input":${"[".repeat(9_999)}${"]".repeat(9_999)}}`),
      ],
    ];
    for (const [status, code, answer] of cases) {
      const { status: given, json } = await answer;
      expect([given, (json["error"] as Json)["code"]]).toEqual([status, code]);
    }
    expect(await announceBody(server.url, "/v1/responses")).toMatch(/^HTTP\/1.1 413 [^]*body_too_large/);
  });

  test("names the field that is wrong or that this server does not serve", async () => {
    const image = (url: string): Json => ({
      role: "user",
      content: [{ type: "input_image", image_url: url }],
    });
    const cases: [string, Json][] = [
      ["input", {}],
      ["input", { input: 7 }],
      [
        "input.1.role",
        {
          input: [
            { role: "user", content: "a" },
            { role: "king", content: "b" },
          ],
        },
      ],
      ["input.0.content.0.text", { input: [{ role: "user", content: [{ type: "input_text" }] }] }],
      ["input.0.content.0.image_url", { input: [image("https://example.com/cat.png")] }],
      ["input", { input: [image("data:image/png;base64,iVBORw0KGgo=")], instructions: "a" }],
      ["input.0.type", { input: [{ type: "telepathy" }] }],
      ["tools.0.type", { input: "a", tools: [{ type: "code_interpreter", container: { type: "auto" } }] }],
      ["tools.0.name", { input: "a", tools: [{ type: "function", parameters: {} }] }],
      ["tool_choice", { input: "a", tool_choice: "required" }],
      ["tool_choice", { input: "a", tool_choice: { type: "function", name: "x" }, tools: LONG.tools }],
      ["max_output_tokens", { input: "a", max_output_tokens: 0 }],
      ["background", { input: "a", background: true }],
      ["conversation", { input: "a", conversation: "conv_1" }],
      ["prompt", { input: "a", prompt: { id: "pmpt_1" } }],
    ];
    for (const [param, body] of cases) {
      const { status, json } = await server.post("/v1/responses", { model: "practice", ...body });
      expect([status, (json["error"] as Json)["param"], body]).toEqual([400, param, body]);
    }
  });

  test("is never the server's, whatever the body holds", async () => {
    const valid = {
      model: "practice",
      max_output_tokens: 1,
      instructions: "a",
      input: [
        { role: "developer", content: "a" },
        { type: "message", role: "user", content: [{ type: "input_text", text: "a" }] },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "lmagent-1.YQ" },
        { type: "function_call", call_id: "call_1", name: "toString", arguments: "{" },
        { type: "function_call_output", call_id: "call_1", output: [{ type: "input_text", text: "a" }] },
        { type: "custom_tool_call", call_id: "call_2", name: "__proto__", input: "a" },
      ],
      tools: [
        { type: "function", name: "__proto__", parameters: { $ref: "#" }, strict: true },
        { type: "namespace", name: "n", tools: [{ type: "custom", name: "c" }] },
      ],
      tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "custom", name: "c" }] },
      text: { format: { type: "json_schema", name: "a", schema: { type: "object" } } },
      reasoning: { effort: "low", summary: "auto" },
      include: ["reasoning.encrypted_content"],
      metadata: {},
      top_logprobs: 2,
      store: true,
      stream: false,
    };
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(mutate(valid), mutate({ ...valid, stream: true }), fc.jsonValue()),
        async (body) => {
          const { status, text, json } = await server.post("/v1/responses", body);
          if (status === 200) {
            expect(json["status"] ?? readEvents(text).at(-1)?.event).toMatch(/(completed|incomplete)$/);
            return;
          }
          expect([status, text]).toEqual([expect.toBeOneOf([400, 404]), expect.any(String)]);
          expect(json).toMatchObject({ error: { message: expect.any(String) as string } });
        },
      ),
      { numRuns: 80 },
    );
  });
});
