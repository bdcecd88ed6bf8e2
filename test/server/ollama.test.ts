import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ollama } from "ollama";
import type { ChatResponse, Message, Tool } from "ollama";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { PRACTICE, TOO_LONG } from "../engine/_practice.ts";
import { ask, CREATED, TOOLS, waitFor } from "./_agent.ts";
import type { Json } from "./_agent.ts";
import { killOnce, startInProcess, writeEndlessModel } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";

const MODEL = "lmagent-practice";
const CREATE: Message = { role: "user", content: 'create a file notes.txt with the text "buy milk"' };
const HELLO: Message = { role: "user", content: "hello" };
const OLLAMA_TOOLS = TOOLS as unknown as Tool[];
const COLD = { temperature: 0 };
/** Thinks, and then says yes. */
const THINKING_TEMPLATE =
  "{% for m in messages %}{{ m.content }}\n{% endfor %}{% if enable_thinking is defined and not enable_thinking %}quick{% endif %}";

let folder: string;
let server: InProcessServer;
let ollama: Ollama;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-ollama-"));
  const [thinker, embedder] = [join(folder, "thinker.gguf"), join(folder, "embedder.gguf")];
  await writeTinyModel(thinker, {
    chatTemplate: THINKING_TEMPLATE,
    script: ["<think>", "hm", "</think>", "yes"],
  });
  await writeTinyModel(embedder, { embedding: true, contextTokens: 128 });
  server = await startInProcess([
    {
      ...(await toFileEntry(PRACTICE_MODEL)),
      architecture: "llama",
      quantization: "Q8_0",
      parameters: 3_500_000,
      maxContextTokens: PRACTICE.contextTokens,
    },
    {
      ...(await toFileEntry(thinker)),
      toolUse: false,
      ollama: {
        template: "{{ .Prompt }}",
        system: "Be brief.",
        parameters: { num_predict: 2, stop: ["</s>"] },
      },
    },
    { ...(await toFileEntry(embedder)), purpose: "embedding", maxContextTokens: 128 },
    await writeEndlessModel(join(folder, "endless.gguf")),
  ]);
  ollama = new Ollama({ host: server.url });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function readAll<Part>(parts: AsyncIterable<Part>): Promise<Part[]> {
  const all: Part[] = [];
  for await (const part of parts) all.push(part);
  return all;
}

const loadedIds = (): string[] => server.models.loaded().map(({ id }) => id);

describe("Ollama's client", () => {
  test("lists what there is, with a tag", async () => {
    const { models } = await ollama.list();
    expect(models.map(({ name }) => name)).toEqual([
      "lmagent-practice:latest",
      "thinker:latest",
      "embedder:latest",
      "endless:latest",
    ]);
    expect(models[0]).toMatchObject({
      model: "lmagent-practice:latest",
      size: PRACTICE.fileBytes,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      details: { format: "gguf", family: "llama", parameter_size: "3.5M", quantization_level: "Q8_0" },
    });
    expect(Date.parse(String(models[0]?.modified_at))).not.toBeNaN();
  });

  test("finds out that a server is there, and of which version", async () => {
    expect((await ollama.version()).version).toMatch(/^\d+\.\d+\.\d+$/);
    for (const path of ["/", "/api/tags", "/api/version"])
      expect((await ask(server.url + path, { method: "HEAD" })).status).toBe(200);
  });

  test("shows window, template and abilities of a model that is not loaded", async () => {
    const shown = await ollama.show({ model: `${MODEL}:latest` });
    expect(shown).toMatchObject({
      template: expect.stringContaining("tool_call") as string,
      details: { family: "llama" },
      capabilities: ["completion", "tools"],
      model_info: {
        "general.architecture": "llama",
        "general.parameter_count": 3_500_000,
        "llama.context_length": expect.any(Number) as number,
        "tokenizer.ggml.tokens": null,
      },
    });
    expect(await ollama.show({ model: "thinker" })).toMatchObject({
      capabilities: ["completion", "thinking"],
      template: "{{ .Prompt }}",
      system: "Be brief.",
      parameters: expect.stringMatching(/^num_predict +2\nstop +"<\/s>"$/) as string,
    });
    expect((await ollama.show({ model: "embedder" })).capabilities).toEqual(["embedding"]);
    await expect(ollama.show({ model: "llama3:8b" })).rejects.toMatchObject({ status_code: 404 });
  });

  test("loads with an empty request, sees it in `ps`, and unloads with `keep_alive` 0", async () => {
    const loaded = await ollama.generate({ model: MODEL, prompt: "", keep_alive: "90s" });
    expect(loaded).toMatchObject({ done: true, done_reason: "load", response: "" });
    const { models } = await ollama.ps();
    expect(models).toMatchObject([
      { name: "lmagent-practice:latest", size_vram: 0, context_length: PRACTICE.contextTokens },
    ]);
    const leftMs = Date.parse(String(models[0]?.expires_at)) - Date.now();
    expect(leftMs).toBeGreaterThan(30_000);
    expect(leftMs).toBeLessThan(90_001);
    const unloaded = await ollama.chat({ model: MODEL, messages: [], keep_alive: 0 });
    expect(unloaded).toMatchObject({ done: true, done_reason: "unload", message: { content: "" } });
    expect((await ollama.ps()).models).toEqual([]);
  });

  test("keeps a model for ever with a negative `keep_alive`, and not beyond a request with 0", async () => {
    await ollama.chat({ model: MODEL, messages: [HELLO], keep_alive: -1, options: { num_predict: 1 } });
    expect(server.models.loaded()[0]?.ttlMs).toBeNull();
    const [running] = (await ollama.ps()).models;
    expect(Date.parse(String(running?.expires_at))).toBeGreaterThan(Date.now() + 1e12);
    await ollama.chat({ model: MODEL, messages: [HELLO], keep_alive: 0, options: { num_predict: 1 } });
    expect(await waitFor(() => loadedIds().length === 0, 5_000)).toBe(true);
  });
});

describe("a chat with Ollama's client", () => {
  test("answers at once or in pieces with the same words, times in nanoseconds", async () => {
    const whole = await ollama.chat({ model: MODEL, messages: [HELLO], options: COLD });
    expect(whole).toMatchObject({
      model: MODEL,
      message: { role: "assistant", content: expect.stringMatching(/\S/) as string },
      done: true,
      done_reason: "stop",
    });
    for (const count of [
      whole.eval_count,
      whole.prompt_eval_count,
      whole.total_duration,
      whole.load_duration,
    ])
      expect(Number.isSafeInteger(count)).toBe(true);
    expect(whole.total_duration).toBeGreaterThan(whole.eval_duration);
    expect(whole.eval_duration).toBeGreaterThan(1_000);
    const parts = await readAll(
      await ollama.chat({ model: MODEL, messages: [HELLO], options: COLD, stream: true }),
    );
    expect(parts.map(({ message }) => message.content).join("")).toBe(whole.message.content);
    expect(parts.map(({ done }) => done)).toEqual([...parts.slice(1).map(() => false), true]);
    expect(parts.at(-1)).toMatchObject({ done_reason: "stop", eval_count: whole.eval_count });
  });

  test("gets whole tool calls with objects, and goes on from their results", async () => {
    const request = { model: MODEL, messages: [CREATE], tools: OLLAMA_TOOLS, options: COLD };
    const [whole, parts] = await Promise.all([
      ollama.chat(request),
      ollama.chat({ ...request, stream: true }).then(readAll<ChatResponse>),
    ]);
    const call = { function: { name: "write", arguments: { path: "notes.txt", content: "buy milk" } } };
    expect(whole.message.tool_calls).toMatchObject([call]);
    expect(parts.flatMap(({ message }) => message.tool_calls ?? [])).toMatchObject([call]);
    expect(whole.done_reason).toBe("stop");
    const next = await ollama.chat({
      ...request,
      messages: [CREATE, whole.message, { role: "tool", tool_name: "write", content: CREATED }],
    });
    expect(next.message.tool_calls).toBeUndefined();
    expect(next.message.content).toMatch(/\S/);
  });

  test("says that a model knows no tools, or does not think, in the words that clients look for", async () => {
    const model = "thinker";
    await expect(ollama.chat({ model, messages: [HELLO], tools: OLLAMA_TOOLS })).rejects.toMatchObject({
      status_code: 400,
      message: '"thinker" does not support tools',
    });
    await expect(ollama.chat({ model: MODEL, messages: [HELLO], think: true })).rejects.toMatchObject({
      status_code: 400,
      message: '"lmagent-practice" does not support thinking',
    });
  });

  test("keeps thinking apart from the answer", async () => {
    const request = {
      model: "thinker",
      messages: [HELLO],
      think: true,
      options: { ...COLD, num_predict: 50 },
    };
    const whole = await ollama.chat(request);
    expect(whole.message).toMatchObject({ thinking: "hm", content: "yes" });
    const parts = await readAll(await ollama.chat({ ...request, stream: true }));
    expect(parts.map(({ message }) => message.thinking ?? "").join("")).toBe("hm");
    const { model, options } = request;
    const generated = await ollama.generate({ model, prompt: "hello", think: "low", options });
    expect(generated).toMatchObject({ thinking: "hm", response: "yes" });
  });

  test("goes by what Ollama's store says of a model, unless the request says otherwise", async () => {
    const plain = { model: "thinker", messages: [HELLO] };
    const brief = await ollama.chat({ ...plain, options: COLD });
    expect(brief).toMatchObject({ done_reason: "length", eval_count: 2 });
    const own: Message = { role: "system", content: "" };
    const bare = await ollama.chat({
      ...plain,
      messages: [own, HELLO],
      options: { ...COLD, num_predict: 3 },
    });
    expect(bare.eval_count).toBe(3);
    expect(brief.prompt_eval_count - bare.prompt_eval_count).toBe("Be brief.".length);
  });

  test("writes what the schema says, or any object", async () => {
    const properties = { age: { type: "integer" }, kind: { enum: ["cat", "dog"] } };
    const format = { type: "object", properties, required: ["age", "kind"] };
    const { message } = await ollama.chat({ model: MODEL, messages: [HELLO], format, options: COLD });
    expect(JSON.parse(message.content)).toEqual({
      age: expect.any(Number) as number,
      kind: expect.stringMatching(/^(cat|dog)$/) as string,
    });
    const prompt = "What is the sentiment of this text: I love it.";
    const any = await ollama.generate({ model: MODEL, prompt, format: "json", options: COLD });
    expect(JSON.parse(any.response ?? "")).toBeTypeOf("object");
  });

  test("obeys its options", async () => {
    const chat = (options: Json): Promise<ChatResponse> =>
      ollama.chat({ model: MODEL, messages: [HELLO], options });
    const [limited, stopped, ...hot] = await Promise.all([
      chat({ ...COLD, num_predict: 3 }),
      chat({ ...COLD, stop: ["practice"] }),
      chat({ temperature: 2, seed: 7, num_predict: 20 }),
      chat({ temperature: 2, seed: 7, num_predict: 20 }),
    ]);
    expect(limited).toMatchObject({ done_reason: "length", eval_count: 3 });
    expect(stopped.message.content).toMatch(/\w/);
    expect(stopped.message.content).not.toContain("practice");
    expect(hot[0]?.message.content).toBe(hot[1]?.message.content);
  });

  test("gives the chances of each token", async () => {
    const request = { model: MODEL, messages: [HELLO], logprobs: true, top_logprobs: 2 };
    const { logprobs } = await ollama.chat({ ...request, options: { ...COLD, num_predict: 3 } });
    expect(logprobs?.length).toBeGreaterThan(0);
    expect(logprobs?.[0]?.logprob).toBeLessThanOrEqual(0);
    expect(logprobs?.[0]?.top_logprobs).toHaveLength(2);
  });

  test("that is aborted stops the generation", async () => {
    const parts = await ollama.chat({
      model: "endless",
      messages: [HELLO],
      stream: true,
      options: COLD,
    });
    await expect(
      (async () => {
        for await (const _ of parts) parts.abort();
      })(),
    ).rejects.toThrow(/abort/i);
    const isIdle = async (): Promise<boolean> => {
      const model = server.models.loaded().find(({ id }) => id === "endless");
      return model?.users === 0 && (await model.engine.slots()).every(({ busy }) => !busy);
    };
    expect(await waitFor(isIdle, 5_000)).toBe(true);
  });
});

test("a stream whose model dies ends with an error line, and the next request is served", async () => {
  await ollama.generate({ model: "endless", prompt: "" });
  const pid = server.models.loaded().find(({ id }) => id === "endless")?.engine.pid;
  const body = { model: "endless", prompt: "hello", options: COLD };
  const { status, text } = await server.post("/api/generate", body, {
    onText: killOnce(pid),
  });
  const last = JSON.parse(text.trimEnd().split("\n").at(-1) ?? "") as Json;
  expect([status, last]).toEqual([200, { error: expect.stringMatching(/\S/) as string }]);
  const next = await ollama.generate({ model: "endless", prompt: "hello", options: { num_predict: 1 } });
  expect(next.done).toBe(true);
});

describe("Ollama's generate", () => {
  test("answers a prompt, and goes on from its context", async () => {
    const request = { model: MODEL, prompt: "hello", options: COLD };
    const first = await ollama.generate(request);
    const parts = await readAll(await ollama.generate({ ...request, stream: true }));
    expect(parts.map(({ response }) => response).join("")).toBe(first.response);
    expect(parts.at(-1)?.context).toEqual(first.context);
    const next = await ollama.generate({ ...request, context: first.context });
    expect(next.prompt_eval_count).toBeGreaterThan(first.prompt_eval_count + 5);
    const other = server.post("/api/generate", { ...request, context: [1, 2, 3] });
    expect((await other).json["error"]).toMatch(/^`context` was not made by this server/);
  });

  test("leaves a raw prompt as it is", async () => {
    const raw = await ollama.generate({
      model: MODEL,
      prompt: "hello",
      raw: true,
      options: { num_predict: 4 },
    });
    const chat = await ollama.generate({ model: MODEL, prompt: "hello", options: { num_predict: 4 } });
    expect(raw.prompt_eval_count).toBeLessThan(chat.prompt_eval_count);
    expect("context" in raw).toBe(false);
    const format = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };
    const formed = await ollama.generate({ model: MODEL, prompt: "hello", raw: true, format, options: COLD });
    expect(JSON.parse(formed.response ?? "")).toEqual({ ok: expect.any(Boolean) as boolean });
  });

  test("says what it does not do", async () => {
    await expect(ollama.generate({ model: MODEL, prompt: "a", suffix: "b" })).rejects.toThrow(
      '"lmagent-practice" does not support insert',
    );
    await expect(ollama.generate({ model: MODEL, prompt: "a", template: "{{ .Prompt }}" })).rejects.toThrow(
      /Go's template language/,
    );
  });
});

describe("the window", () => {
  test("grows for a larger `num_ctx` while the model rests, and never beyond what it was trained for", async () => {
    await server.models.unload(MODEL);
    const chat = (num_ctx: number): Promise<ChatResponse> =>
      ollama.chat({ model: MODEL, messages: [HELLO], options: { num_ctx, num_predict: 1 } });
    const window = (): number | undefined =>
      server.models.loaded().find(({ id }) => id === MODEL)?.plan.contextTokens;
    const { signal } = new AbortController();
    const config = { contextTokens: 512 };
    const use = await server.models.use(MODEL, { purpose: "chat", config, signal });
    await chat(256);
    expect(window()).toBe(512);
    await expect(chat(1024)).rejects.toMatchObject({
      status_code: 503,
      message: expect.stringMatching(
        /`options\.num_ctx` is 1024, but .* in use with a context of 512/,
      ) as string,
    });
    use.release();
    await Promise.all([chat(100_000), chat(100_000)]);
    expect(window()).toBe(PRACTICE.contextTokens);
    // Not loaded at all, it is planned first; two that want more do not stand in each other's way.
    await server.models.unload(MODEL);
    await Promise.all([chat(100_000), chat(1024)]);
    expect(window()).toBe(PRACTICE.contextTokens);
  });

  test("that is too small for a prompt is an error with both counts, streaming or not", async () => {
    for (const stream of [true, false]) {
      const { status, json } = await server.post("/api/generate", {
        model: MODEL,
        prompt: TOO_LONG,
        stream,
      });
      const counts = new RegExp(`${PRACTICE.contextTokens} tokens.*\\b\\d{4,}\\b`);
      expect([status, json["error"]]).toEqual([400, expect.stringMatching(counts) as string]);
    }
  });
});

describe("Ollama's embeddings", () => {
  test("come one for each text, of length 1, cut where they are too long", async () => {
    const { embeddings, prompt_eval_count: count } = await ollama.embed({
      model: "embedder",
      input: ["one", "two", "long ".repeat(200)],
    });
    expect(embeddings).toHaveLength(3);
    for (const vector of embeddings) expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
    expect(count).toBeGreaterThan(6);
    const [short] = (await ollama.embed({ model: "embedder", input: "one", dimensions: 8 })).embeddings;
    expect(short).toHaveLength(8);
    expect(Math.hypot(...(short ?? []))).toBeCloseTo(1, 4);
    const old = await ollama.embeddings({ model: "embedder", prompt: "one" });
    expect(old.embedding).toEqual(embeddings[0]);
    expect((await ollama.embed({ model: "embedder", input: [] })).embeddings).toEqual([]);
  });

  test("of a text that is too long are refused where nothing may be cut", async () => {
    await expect(
      ollama.embed({ model: "embedder", input: "long ".repeat(200), truncate: false }),
    ).rejects.toMatchObject({ status_code: 400, message: expect.stringMatching(/128/) as string });
    await expect(ollama.embed({ model: MODEL, input: "x" })).rejects.toMatchObject({ status_code: 400 });
    await expect(ollama.chat({ model: "embedder", messages: [HELLO] })).rejects.toMatchObject({
      status_code: 400,
    });
  });
});

describe("what Ollama does and this server does not", () => {
  test("is refused with the way out", async () => {
    const refused = await Promise.allSettled([
      ollama.create({ model: "mine", from: MODEL }),
      ollama.copy({ source: MODEL, destination: "mine" }),
      ollama.delete({ model: MODEL }),
      ollama.push({ model: MODEL }),
      ollama.pull({ model: "llama3" }),
      ollama.pull({ model: "hf.co/someone/model:Q4_K_M" }),
    ]);
    for (const one of refused)
      expect((one as PromiseRejectedResult).reason).toMatchObject({
        status_code: expect.toSatisfy((status: number) => [400, 403].includes(status)) as number,
        message: expect.stringMatching(/`lmagent models|Use the name|Upload|Hugging Face/) as string,
      });
    const blob = `${server.url}/api/blobs/sha256:${"0".repeat(64)}`;
    expect((await ask(blob, { method: "HEAD" })).status).toBe(404);
    expect((await ask(blob, { method: "POST", body: "x" })).json["error"]).toMatch(/keeps no blobs/);
  });

  test("is 404 and 405 in Ollama's words where there is no such route", async () => {
    const missing = await server.get("/api/nothing");
    expect([missing.status, missing.json]).toEqual([404, { error: expect.any(String) as string }]);
    const wrong = await server.get("/api/chat");
    expect([wrong.status, wrong.json]).toEqual([405, { error: expect.any(String) as string }]);
  });
});
