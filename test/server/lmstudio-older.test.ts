import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { PRACTICE } from "../engine/_practice.ts";
import { TOOLS } from "./_agent.ts";
import type { Json } from "./_agent.ts";
import { startInProcess } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";
import { readEvents } from "./_sse.ts";

const KEY = "lmagent-practice";
const HELLO = "hello";
const GREETING = { role: "user", content: HELLO };

let folder: string;
let server: InProcessServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-lmstudio-"));
  const embedder = join(folder, "embedder.gguf");
  await writeTinyModel(embedder, { embedding: true, contextTokens: 128 });
  server = await startInProcess([
    { ...(await toFileEntry(PRACTICE_MODEL)), architecture: "llama", quantization: "Q8_0" },
    { ...(await toFileEntry(embedder)), purpose: "embedding" },
  ]);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const errorOf = (json: Json): Json => json["error"] as Json;

describe("LM Studio's older routes", () => {
  const STATS = {
    tokens_per_second: expect.any(Number) as number,
    time_to_first_token: expect.any(Number) as number,
    generation_time: expect.any(Number) as number,
  };
  const INFO = { arch: "llama", quant: "Q8_0", format: "gguf", context_length: PRACTICE.contextTokens };
  const CREATE = { role: "user", content: 'create a file notes.txt with the text "buy milk"' };
  const ask = (body: Json): ReturnType<InProcessServer["post"]> =>
    server.post("/api/v0/chat/completions", { model: KEY, temperature: 0, ...body });

  test("answer a chat as OpenAI does, with figures", async () => {
    const { status, json } = await ask({ messages: [GREETING], max_tokens: -1 });
    expect([status, json]).toEqual([
      200,
      expect.objectContaining({
        object: "chat.completion",
        model: KEY,
        choices: [expect.objectContaining({ finish_reason: "stop" })],
        usage: expect.objectContaining({ total_tokens: expect.any(Number) as number }) as Json,
        stats: { ...STATS, stop_reason: "eosFound" },
        model_info: INFO,
        runtime: { name: "llama.cpp-embedded", version: "1.2.3", supported_formats: ["gguf"] },
      }),
    ]);
  });

  test("say why an answer ended", async () => {
    const reasons = await Promise.all(
      [{ max_tokens: 2 }, { messages: [GREETING], stop: ["practice"] }, { tools: TOOLS }].map(
        async (more) => {
          const { json } = await ask({ messages: [CREATE], ...more });
          return (json["stats"] as Json)["stop_reason"];
        },
      ),
    );
    expect(reasons).toEqual(["maxPredictedTokensReached", "stopStringFound", "toolCalls"]);
  });

  test("stream, with the figures in the last chunk", async () => {
    const body = { messages: [GREETING], stream: true };
    const { text } = await ask({ ...body, stream_options: { include_usage: true } });
    const chunks = readEvents(text).map(({ data }) => data);
    const last = chunks.find(({ choices }) => (choices as Json[])[0]?.["finish_reason"] === "stop");
    expect(last).toMatchObject({ stats: { stop_reason: "eosFound" }, model_info: INFO });
    expect(chunks.filter((chunk) => "stats" in chunk)).toHaveLength(1);
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  test("complete a text", async () => {
    const body = { model: KEY, prompt: "hello", max_tokens: 4, temperature: 0 };
    const whole = (await server.post("/api/v0/completions", body)).json;
    expect(whole).toMatchObject({
      object: "text_completion",
      choices: [{ index: 0, text: expect.any(String) as string }],
      stats: STATS,
      model_info: INFO,
    });
    const { text } = await server.post("/api/v0/completions", { ...body, stream: true });
    const chunks = readEvents(text).map(({ data }) => data);
    const said = chunks.map(({ choices }) => (choices as Json[])[0]?.["text"]).join("");
    expect(said).toBe((whole["choices"] as Json[])[0]?.["text"]);
    expect(chunks.at(-1)).toMatchObject({ stats: STATS });
  });

  test("embed", async () => {
    const { json } = await server.post("/api/v0/embeddings", { model: "embedder", input: ["one", "two"] });
    expect(json).toMatchObject({ object: "list", data: [{ index: 0 }, { index: 1 }], model: "embedder" });
  });

  test("refuse in OpenAI's shape", async () => {
    const cases: [string, Json, number, string | null][] = [
      ["chat/completions", { messages: [] }, 400, "messages"],
      ["chat/completions", { messages: [CREATE], n: 2 }, 400, "n"],
      ["chat/completions", { messages: [CREATE], model: "gpt-4" }, 404, "model"],
      ["completions", { prompt: ["a", "b"] }, 400, "prompt"],
      ["embeddings", {}, 400, "input"],
    ];
    for (const [route, body, expected, param] of cases) {
      const { status, json } = await server.post(`/api/v0/${route}`, body);
      expect([status, errorOf(json)["param"]]).toEqual([expected, param]);
    }
    expect((await server.get("/api/v0/completions")).status).toBe(405);
  });
});

test("where requests load nothing, they are told how to, and Ollama's clients see only what is loaded", async () => {
  const entry = await toFileEntry(PRACTICE_MODEL);
  await using strict = await startInProcess([entry], {
    settings: { jit: false, reasoningField: "content" },
  });
  const chats = await Promise.all([
    strict.post("/api/v1/chat", { model: KEY, input: HELLO }),
    strict.post("/api/v1/chat", { model: KEY, input: HELLO, context_length: 4096 }),
    strict.post("/api/v0/completions", { model: KEY, prompt: HELLO }),
  ]);
  for (const { status, json } of chats)
    expect([status, errorOf(json)]).toEqual([
      404,
      expect.objectContaining({ message: expect.stringMatching(/`lmagent load/) as string }),
    ]);
  expect((await strict.get("/api/tags")).json).toEqual({ models: [] });
  expect((await strict.get("/api/v1/models")).json["models"]).toHaveLength(1);
  expect(strict.models.loaded()).toEqual([]);
});
