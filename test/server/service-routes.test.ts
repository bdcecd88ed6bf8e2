/** What the server says about its models, and the settings that change how it says it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import type { ServeSettings } from "../../src/server/services.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { PRACTICE } from "../engine/_practice.ts";
import { TOOLS } from "./_agent.ts";
import type { Json } from "./_agent.ts";
import { startInProcess } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";

let folder: string;
let server: InProcessServer;
/** Changed by tests that put it back. */
const settings: ServeSettings = { jit: true, reasoningField: "content" };

const CHAT = "lmagent-practice";
const THINKING = "someone/thinking:q8";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-service-"));
  const thinking = join(folder, "thinking.gguf");
  await writeTinyModel(thinking, {
    script: ["hm, ", "well", "</think>", "\n\n", "Done", "."],
    chatTemplate: "{% for m in messages %}{{ m.content }}{% endfor %}<think>\n",
  });
  server = await startInProcess(
    [
      await toFileEntry(PRACTICE_MODEL),
      { ...(await toFileEntry(thinking)), key: THINKING, maxContextTokens: 2048 },
    ],
    { settings },
  );
  await server.models.load(CHAT, {}, { signal: new AbortController().signal });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const idsOf = (json: Json): unknown[] => (json["data"] as Json[]).map(({ id, state }) => [id, state]);

describe("the list of models", () => {
  test("has all that could be loaded where requests load them, and else those that are", async () => {
    expect(idsOf((await server.get("/v1/models")).json)).toEqual([
      [CHAT, "loaded"],
      [THINKING, "not-loaded"],
    ]);
    const one = (await server.get(`/v1/models/${THINKING}`)).json;
    expect(one).toMatchObject({ id: THINKING, max_context_length: 2048, meta: { n_ctx_train: 2048 } });
    expect(one).not.toHaveProperty("context_length");
    settings.jit = false;
    try {
      expect(idsOf((await server.get("/v1/models")).json)).toEqual([[CHAT, "loaded"]]);
      expect((await server.get(`/v1/models/${THINKING}`)).status).toBe(404);
      const refused = await server.post("/v1/chat/completions", {
        model: THINKING,
        messages: [{ role: "user", content: "x" }],
      });
      expect([refused.status, refused.text]).toEqual([404, expect.stringContaining("lmagent load")]);
      const byFile = await server.post("/v1/completions", {
        model: "practice.gguf",
        prompt: "x",
        max_tokens: 1,
      });
      expect(byFile.status).toBe(200);
    } finally {
      settings.jit = true;
    }
  });

  test("has the window under every name that clients look for", async () => {
    expect((await server.get(`/v1/models/${CHAT}`)).json).toMatchObject({
      object: "model",
      owned_by: "lmagent",
      type: "llm",
      context_length: PRACTICE.contextTokens,
      max_model_len: PRACTICE.contextTokens,
      loaded_context_length: PRACTICE.contextTokens,
      max_context_length: PRACTICE.contextTokens,
      meta: { n_ctx: PRACTICE.contextTokens, n_params: PRACTICE.parameters, size: PRACTICE.fileBytes },
      capabilities: ["tool_use"],
    });
  });
});

describe("tokens", () => {
  test("are counted, told with their pieces, and become the same text again", async () => {
    const content = "create a file ä.txt";
    const plain = (await server.post("/tokenize", { model: CHAT, content })).json;
    expect(plain).toMatchObject({
      count: (plain["tokens"] as number[]).length,
      max_model_len: PRACTICE.contextTokens,
    });
    const back = (await server.post("/detokenize", { model: CHAT, tokens: plain["tokens"] })).json;
    expect((back["content"] as string).trim()).toBe(content);
    const pieces = (await server.post("/tokenize", { model: CHAT, prompt: "hello", with_pieces: true })).json;
    expect(
      (pieces["tokens"] as Json[])
        .map(({ piece }) => piece)
        .join("")
        .trim(),
    ).toBe("hello");
    const wrong = await server.post("/detokenize", { model: CHAT, tokens: ["x"] });
    expect([wrong.status, (wrong.json["error"] as Json)["param"]]).toEqual([400, "tokens.0"]);
  });

  test("are those of the whole prompt for messages", async () => {
    const body = { model: CHAT, messages: [{ role: "user", content: "hello" }], tools: TOOLS };
    const { prompt } = (await server.post("/apply-template", body)).json;
    const names = TOOLS.map((tool) => tool.function.name).join(" ");
    expect(prompt).toBe(`<|tools|>${names}<|end|><|user|>hello<|end|><|assistant|>`);
    const { count } = (await server.post("/tokenize", body)).json;
    const { usage } = (await server.post("/v1/chat/completions", { ...body, max_tokens: 1 })).json;
    expect((usage as Json)["prompt_tokens"]).toBe(count);
    expect((await server.post("/apply-template", { model: CHAT })).status).toBe(400);
  });
});

describe("counters", () => {
  test("say what each model did", async () => {
    await server.post("/v1/completions", { model: CHAT, prompt: "hello", max_tokens: 3 });
    const { text } = await server.get("/metrics");
    const value = (name: string): number =>
      Number(new RegExp(`^${name}\\{model="${CHAT}"[^}]*\\} (\\S+)$`, "m").exec(text)?.[1]);
    expect(value("llamacpp:tokens_predicted_total")).toBeGreaterThanOrEqual(3);
    expect(value("llamacpp:prompt_tokens_total")).toBeGreaterThan(0);
    expect(value("llamacpp:requests_processing")).toBe(0);
    expect(value("lmagent:requests_total")).toBeGreaterThan(0);
    expect(value("lmagent:time_to_first_token_seconds")).toBeGreaterThan(0);
    // Each metric is described once, before its samples.
    const described = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
    expect(new Set(described).size).toBe(described.length);
  });

  test("and properties are those of the model that is named", async () => {
    expect((await server.get("/props")).json).toMatchObject({ total_slots: 2, model_alias: CHAT });
    expect((await server.get(`/props?model=${CHAT}`)).json).toMatchObject({ model_alias: CHAT });
    expect((await server.get("/slots?model=nobody")).status).toBe(404);
    expect((await server.get("/slots?fail_on_no_slot=1")).status).toBe(200);
  });
});

describe("thinking", () => {
  const ask = async (more: Json = {}): Promise<{ message: Json; text: string }> => {
    const body = { model: THINKING, messages: [{ role: "user", content: "x" }], temperature: 0, ...more };
    const { json, text } = await server.post("/v1/chat/completions", body);
    return { message: ((json["choices"] as Json[] | undefined)?.[0]?.["message"] ?? {}) as Json, text };
  };

  test("leaves under the name that was chosen", async () => {
    const answer = { role: "assistant", content: "Done." };
    const expected: [ServeSettings["reasoningField"], Json][] = [
      ["content", { ...answer, reasoning_content: "hm, well" }],
      ["reasoning", { ...answer, reasoning: "hm, well" }],
      ["both", { ...answer, reasoning_content: "hm, well", reasoning: "hm, well" }],
      ["inline", { role: "assistant", content: "<think>hm, well</think>\n\nDone." }],
    ];
    try {
      for (const [field, message] of expected) {
        settings.reasoningField = field;
        expect((await ask()).message).toEqual(message);
      }
      settings.reasoningField = "reasoning";
      expect((await ask({ stream: true })).text).toContain('{"reasoning":"');
    } finally {
      settings.reasoningField = "content";
    }
    expect((await ask({ reasoning_format: "none" })).message["content"]).toMatch(/^<think>/);
  });
});
