import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import type { ModelEntry } from "../../src/engine/catalog/catalog.ts";
import type { LoadedModel } from "../../src/engine/manager/model-manager.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { PRACTICE, TOO_LONG } from "../engine/_practice.ts";
import { waitFor } from "./_agent.ts";
import type { Json } from "./_agent.ts";
import { killOnce, startInProcess, writeEndlessModel } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";
import { readEvents } from "./_sse.ts";

const KEY = "lmagent-practice";
const HELLO = "hello";
/** Thinks, and then says yes. */
const THINKING_TEMPLATE =
  "{% for m in messages %}{{ m.content }}\n{% endfor %}{% if enable_thinking %}{% endif %}";

let folder: string;
let server: InProcessServer;
let entry: ModelEntry;

beforeAll(async () => {
  entry = {
    ...(await toFileEntry(PRACTICE_MODEL)),
    aliases: ["someone/practice", "practice.gguf"],
    publisher: "someone",
    displayName: "Practice",
    architecture: "llama",
    quantization: "Q8_0",
    bitsPerWeight: 8.5,
    parameters: 3_500_000,
    maxContextTokens: PRACTICE.contextTokens,
  };
  folder = await mkdtemp(join(tmpdir(), "lmagent-lmstudio-"));
  const [thinker, embedder] = [join(folder, "thinker.gguf"), join(folder, "embedder.gguf")];
  await writeTinyModel(thinker, {
    chatTemplate: THINKING_TEMPLATE,
    script: ["<think>", "hm", "</think>", "yes"],
  });
  await writeTinyModel(embedder, { embedding: true, contextTokens: 128 });
  server = await startInProcess([
    entry,
    await toFileEntry(thinker),
    { ...(await toFileEntry(embedder)), purpose: "embedding", maxContextTokens: 128 },
    await writeEndlessModel(join(folder, "endless.gguf")),
  ]);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const practice = (): LoadedModel | undefined => server.models.loaded().find(({ id }) => id === KEY);
const endless = (): LoadedModel | undefined => server.models.loaded().find(({ id }) => id === "endless");

const errorOf = (json: Json): Json => json["error"] as Json;

describe("LM Studio's lists", () => {
  test("say what there is before anything is loaded", async () => {
    await server.models.unload(KEY);
    const listed = (await server.get("/api/v1/models")).json["models"] as Json[];
    expect(listed.map(({ key }) => key)).toEqual([KEY, "thinker", "embedder", "endless"]);
    expect(listed[0]).toEqual({
      type: "llm",
      publisher: "someone",
      key: KEY,
      display_name: "Practice",
      architecture: "llama",
      quantization: { name: "Q8_0", bits_per_weight: 8.5 },
      size_bytes: entry.sizeBytes,
      params_string: "3.5M",
      loaded_instances: [],
      max_context_length: PRACTICE.contextTokens,
      format: "gguf",
      capabilities: { vision: false, trained_for_tool_use: true },
      description: null,
    });
    // Embedding models have neither architecture nor capabilities here.
    expect(listed[2]).toEqual({
      type: "embedding",
      publisher: "",
      key: "embedder",
      display_name: "embedder",
      quantization: { name: "F32", bits_per_weight: 32 },
      size_bytes: expect.any(Number) as number,
      params_string: expect.stringMatching(/^[\d.]+K$/) as string,
      loaded_instances: [],
      max_context_length: 128,
      format: "gguf",
    });
    const { object, data } = (await server.get("/api/v0/models")).json as { object: string; data: Json[] };
    expect([object, data.map(({ type }) => type)]).toEqual(["list", ["llm", "llm", "embeddings", "llm"]]);
    expect(data[0]).toEqual({
      id: KEY,
      object: "model",
      type: "llm",
      publisher: "someone",
      arch: "llama",
      compatibility_type: "gguf",
      quantization: "Q8_0",
      state: "not-loaded",
      max_context_length: PRACTICE.contextTokens,
      capabilities: ["tool_use"],
    });
  });

  test("give one model by key, by `publisher/repo` and by quantization, and 404 for another", async () => {
    for (const name of [KEY, "someone/practice", `${KEY}@q8_0`])
      expect((await server.get(`/api/v0/models/${name}`)).json).toMatchObject({ id: KEY, object: "model" });
    for (const name of ["nobody/nothing", `${KEY}@q4_k_m`, "%2e%2e%2fetc"]) {
      const { status, json } = await server.get(`/api/v0/models/${name}`);
      expect([status, errorOf(json)["code"]]).toEqual([404, "model_not_found"]);
    }
  });
});

describe("LM Studio's load and unload", () => {
  test("say which instance, how long it took, and how it was loaded", async () => {
    await server.models.unload(KEY);
    const { status, json } = await server.post("/api/v1/models/load", {
      model: "someone/practice",
      context_length: 1024,
      eval_batch_size: 512,
      echo_load_config: true,
    });
    expect([status, json]).toEqual([
      200,
      {
        type: "llm",
        instance_id: KEY,
        load_time_seconds: expect.any(Number) as number,
        status: "loaded",
        load_config: expect.objectContaining({ context_length: 1024 }) as Json,
      },
    ]);
    // Where Cline and Crush look for the window.
    const listed = (await server.get("/api/v1/models")).json["models"] as Json[];
    expect(listed[0]?.["loaded_instances"]).toEqual([
      {
        id: KEY,
        config: {
          context_length: 1024,
          eval_batch_size: expect.any(Number) as number,
          parallel: expect.any(Number) as number,
          flash_attention: false,
          num_experts: 0,
          offload_kv_cache_to_gpu: false,
        },
      },
    ]);
    const old = (await server.get("/api/v0/models")).json["data"] as Json[];
    expect(old[0]).toMatchObject({
      state: "loaded",
      loaded_context_length: 1024,
      max_context_length: PRACTICE.contextTokens,
    });
    expect(await server.post("/api/v1/models/unload", { instance_id: KEY })).toMatchObject({
      status: 200,
      json: { instance_id: KEY },
    });
    expect(server.models.loaded()).toEqual([]);
    const again = await server.post("/api/v1/models/unload", { instance_id: KEY });
    expect([again.status, errorOf(again.json)["type"]]).toEqual([404, "model_not_found"]);
  });

  test("load nothing twice, and anew only for another window", async () => {
    const load = (body: Json): ReturnType<InProcessServer["post"]> =>
      server.post("/api/v1/models/load", { model: KEY, ...body });
    await Promise.all([load({}), load({}), load({ context_length: PRACTICE.contextTokens })]);
    const [first] = server.models.loaded();
    await load({});
    expect(server.models.loaded().map(({ engine }) => engine.pid)).toEqual([first?.engine.pid]);
    const { json } = await load({ context_length: 256, echo_load_config: true });
    expect(json["load_config"]).toMatchObject({ context_length: 256 });
    expect(server.models.loaded()).toHaveLength(1);
  });

  test("refuse fields they do not know, by name, and wrong values", async () => {
    const unknown = await server.post("/api/v1/models/load", { model: KEY, n_ctx: 1, gpu: "max" });
    expect(unknown.status).toBe(400);
    expect(errorOf(unknown.json)).toMatchObject({
      type: "invalid_request",
      code: "unrecognized_keys",
      message: expect.stringMatching(/^Unrecognized key\(s\) in object: 'n_ctx', 'gpu'/) as string,
    });
    const cases: [string, unknown][] = [
      ["load", {}],
      ["load", { model: 5 }],
      ["load", { model: KEY, context_length: 0 }],
      ["load", { model: KEY, context_length: "8k" }],
      ["load", { model: KEY, context_length: PRACTICE.contextTokens + 1 }],
      ["load", "[]"],
      ["load", "{"],
      ["unload", {}],
      ["unload", { instance_id: KEY, force: true }],
      ["download", { model: "a/b" }],
      ["download", { model: "a/b", token: "x" }],
    ];
    for (const [route, body] of cases) {
      const { status, json } = await server.post(`/api/v1/models/${route}`, body);
      expect([status, errorOf(json)["type"]]).toEqual([400, "invalid_request"]);
    }
    const experts = await server.post("/api/v1/models/load", { model: KEY, num_experts: 2 });
    expect([experts.status, errorOf(experts.json)["param"]]).toEqual([400, "num_experts"]);
    const missing = await server.post("/api/v1/models/load", { model: "nobody/nothing" });
    expect([missing.status, errorOf(missing.json)["type"]]).toEqual([404, "model_not_found"]);
    expect((await server.get("/api/v1/models/load")).status).toBe(405);
  });
});

describe("LM Studio's own chat", () => {
  const chat = (body: Json): ReturnType<InProcessServer["post"]> =>
    server.post("/api/v1/chat", { model: KEY, temperature: 0, ...body });

  test("answers with output, figures and an id", async () => {
    const { status, json } = await chat({ input: HELLO });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      model_instance_id: KEY,
      output: [{ type: "message", content: expect.stringMatching(/\S/) as string }],
      stats: { reasoning_output_tokens: 0 },
      response_id: expect.stringMatching(/^resp_[0-9a-f]{48}$/) as string,
    });
    const stats = json["stats"] as Record<string, number>;
    for (const name of [
      "input_tokens",
      "total_output_tokens",
      "tokens_per_second",
      "time_to_first_token_seconds",
    ])
      expect(stats[name]).toBeGreaterThanOrEqual(name.startsWith("time") ? 0 : 1);
  });

  test("goes on from any answer, and forgets what it is told not to store", async () => {
    const first = await chat({ input: HELLO, system_prompt: "You are brief." });
    const id = first.json["response_id"];
    const tokens = (answer: { json: Json }): number =>
      (answer.json["stats"] as { input_tokens: number }).input_tokens;
    const [next, branch] = await Promise.all([
      chat({ input: "hello again", previous_response_id: id, store: false }),
      chat({ input: "hello again", previous_response_id: id }),
    ]);
    expect(tokens(next)).toBeGreaterThan(tokens(first));
    expect(tokens(branch)).toBe(tokens(next));
    expect("response_id" in next.json).toBe(false);
    expect(branch.json["response_id"]).not.toBe(id);
    const lost = await chat({ input: HELLO, previous_response_id: "resp_0" });
    expect([lost.status, errorOf(lost.json)["param"]]).toEqual([400, "previous_response_id"]);
  });

  test("streams its events, with those of the load", async () => {
    await server.models.unload(KEY);
    const { text, headers } = await chat({ input: HELLO, stream: true, context_length: 512 });
    // A request asks for no less than others would get.
    expect(practice()?.plan.contextTokens).toBe(PRACTICE.contextTokens);
    expect(headers["content-type"]).toMatch(/^text\/event-stream/);
    const events = readEvents(text);
    expect(events.every(({ event, data }) => event === data["type"])).toBe(true);
    const types = events.map(({ event }) => event);
    expect(types.filter((type, at) => type !== types[at - 1])).toEqual([
      "chat.start",
      "model_load.start",
      "model_load.progress",
      "model_load.end",
      "prompt_processing.start",
      "prompt_processing.progress",
      "prompt_processing.end",
      "message.start",
      "message.delta",
      "message.end",
      "chat.end",
    ]);
    expect(events[0]?.data).toEqual({ type: "chat.start", model_instance_id: KEY });
    const said = events.flatMap(({ event, data }) => (event === "message.delta" ? [data["content"]] : []));
    const result = events.at(-1)?.data["result"] as Json;
    expect(result["output"]).toEqual([{ type: "message", content: said.join("") }]);
    expect((result["stats"] as Json)["model_load_time_seconds"]).toEqual(expect.any(Number));

    const warm = readEvents((await chat({ input: HELLO, stream: true })).text).map(({ event }) => event);
    expect(warm.some((type) => type?.startsWith("model_load"))).toBe(false);
  });

  test("tells thinking from the answer, and counts it", async () => {
    const { text } = await chat({ model: "thinker", input: HELLO, reasoning: "on", stream: true });
    const events = readEvents(text);
    const types = events.map(({ event }) => event).filter((type) => /^(reasoning|message)/.test(type ?? ""));
    expect(types.filter((type, at) => type !== types[at - 1])).toEqual([
      "reasoning.start",
      "reasoning.delta",
      "reasoning.end",
      "message.start",
      "message.delta",
      "message.end",
    ]);
    expect(events.at(-1)?.data["result"]).toMatchObject({
      output: [
        { type: "reasoning", content: "hm" },
        { type: "message", content: "yes" },
      ],
      stats: { reasoning_output_tokens: expect.toSatisfy((count: number) => count > 0) as number },
    });
  });

  test("loads anew for a larger window, and never beyond what the model was trained for", async () => {
    await server.post("/api/v1/models/load", { model: KEY, context_length: 512 });
    await chat({ input: HELLO, context_length: 300 });
    expect(practice()?.plan.contextTokens).toBe(512);
    await chat({ input: HELLO, context_length: 1_000_000 });
    expect(practice()?.plan.contextTokens).toBe(PRACTICE.contextTokens);
    // It was loaded to stay, and stays.
    expect(practice()?.ttlMs).toBeNull();
  });

  test("says by status that a prompt does not fit, streaming or not", async () => {
    await chat({ input: HELLO });
    for (const stream of [false, true]) {
      const { status, json } = await chat({ input: TOO_LONG, stream });
      expect([status, errorOf(json)]).toEqual([
        400,
        expect.objectContaining({
          type: "invalid_request",
          code: "context_length_exceeded",
          n_ctx: PRACTICE.contextTokens,
        }),
      ]);
    }
  });

  test("refuses what it cannot do, by name", async () => {
    const image = { type: "image", data_url: "data:image/png;base64,iVBORw0KGgo=" };
    const cases: [Json, string | null][] = [
      [{ input: HELLO, integrations: ["mcp/playwright"] }, "integrations"],
      [{ input: HELLO, reasoning: "high" }, "reasoning"],
      [{ input: HELLO, reasoning: "very" }, "reasoning"],
      [{ input: HELLO, model: 7 }, "model"],
      [{ input: [] }, "input"],
      [{ input: [{ type: "image", data_url: "http://127.0.0.1/x.png" }] }, "input.0.data_url"],
      [{ input: HELLO, temperature: "hot" }, "temperature"],
      [{ input: HELLO, max_output_tokens: -1 }, "max_output_tokens"],
      [{ input: HELLO, ttl: -1 }, "ttl"],
    ];
    for (const [body, param] of cases) {
      const { status, json } = await chat(body);
      expect([status, errorOf(json)["param"], errorOf(json)["message"]]).toEqual([
        400,
        param,
        expect.stringMatching(/\S/),
      ]);
    }
    expect((await chat({ input: [{ type: "text", content: HELLO }, image] })).status).toBe(400);
    expect((await chat({ input: HELLO, reasoning: "off", integrations: [] })).status).toBe(200);
    expect((await chat({ input: HELLO, model: "gpt-4" })).status).toBe(404);
  });

  test("stops when the client goes", async () => {
    const abort = new AbortController();
    const gone = server.post(
      "/api/v1/chat",
      { model: "endless", input: HELLO, stream: true, temperature: 0 },
      { signal: abort.signal, onText: (text) => text.includes("message.delta") && abort.abort() },
    );
    await expect(gone).rejects.toThrow(/abort/i);
    const isIdle = async (): Promise<boolean> => {
      const model = endless();
      return model?.users === 0 && (await model.engine.slots()).every(({ busy }) => !busy);
    };
    expect(await waitFor(isIdle, 5_000)).toBe(true);
  });

  test("that loses its model says so, with what was written until then, and the next one is served", async () => {
    await server.post("/api/v1/models/load", { model: "endless" });
    const kill = killOnce(endless()?.engine.pid);
    const { text } = await server.post(
      "/api/v1/chat",
      { model: "endless", input: HELLO, stream: true, temperature: 0 },
      { onText: (piece) => piece.includes("message.delta") && kill() },
    );
    const [error, end] = readEvents(text).slice(-2);
    expect([error?.event, error?.data["error"]]).toEqual([
      "error",
      expect.objectContaining({ type: "internal_error", code: "engine_crashed" }) as Json,
    ]);
    expect([end?.event, end?.data["result"]]).toEqual([
      "chat.end",
      expect.objectContaining({ model_instance_id: "endless", output: [expect.anything()] }) as Json,
    ]);
    const next = await chat({ model: "endless", input: HELLO, max_output_tokens: 1 });
    expect(next.status).toBe(200);
  });

  test("is unloaded after the rest that `ttl` names", async () => {
    await chat({ input: HELLO, ttl: 0 });
    expect(await waitFor(() => practice() === undefined, 5_000)).toBe(true);
  });
});
