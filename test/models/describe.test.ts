import { describe, expect, it } from "vitest";
import type { ModelInfo } from "../../src/core/model.ts";
import type { ScriptedReply } from "../../src/testing/index.ts";
import { errorReply, hangingReply, htmlReply, jsonReply, textReply } from "../../src/testing/index.ts";
import { createModel, REQUEST, runModel } from "./run-model.ts";
import { serve } from "./serve.ts";

const start = (routes: Record<string, ScriptedReply>) => serve(() => textReply("ok"), { routes });
async function describeAt(routes: Record<string, ScriptedReply>, id?: string): Promise<ModelInfo> {
  const server = await start(routes);
  return createModel(server.url, { id }).describe({});
}
const models = (...data: unknown[]) => jsonReply({ object: "list", data });
const UNEXPECTED = jsonReply({ error: "Unexpected endpoint or method." });

const LMSTUDIO = {
  "GET /v1/models": models(
    { id: "qwen3-8b", object: "model", owned_by: "organization_owner" },
    { id: "text-embedding-nomic" },
    { id: "gemma-3" },
  ),
  "GET /props": UNEXPECTED,
  "GET /health": UNEXPECTED,
  "GET /api/ps": UNEXPECTED,
  "GET /api/v1/models": jsonReply({
    models: [
      {
        type: "embedding",
        key: "text-embedding-nomic",
        loaded_instances: [{ id: "text-embedding-nomic", config: { context_length: 512 } }],
      },
      {
        type: "llm",
        key: "qwen3-8b",
        quantization: { name: "Q4_K_M" },
        max_context_length: 40_960,
        capabilities: { vision: false, trained_for_tool_use: true },
        loaded_instances: [{ id: "qwen3-8b:2", config: { context_length: 8_192, parallel: 4 } }],
      },
      {
        type: "llm",
        key: "gemma-3",
        quantization: null,
        max_context_length: 131_072,
        capabilities: { vision: true },
        loaded_instances: [],
      },
    ],
  }),
};
const OLLAMA = {
  "GET /v1/models": models(
    { id: "qwen3:4b", owned_by: "library" },
    { id: "llama3:latest", owned_by: "library" },
  ),
  "GET /api/ps": jsonReply({
    models: [
      {
        name: "qwen3:4b",
        model: "qwen3:4b",
        context_length: 4_096,
        details: { quantization_level: "Q4_K_M" },
      },
    ],
  }),
  "POST /api/show": jsonReply({
    model_info: { "qwen3.context_length": 40_960 },
    parameters: 'stop  "x"\nnum_ctx                        16384',
    capabilities: ["completion", "vision"],
  }),
};

describe("what a server is and has loaded", () => {
  it.each<[string, Record<string, ScriptedReply>, string | undefined, object]>([
    [
      "llama-server",
      {
        "GET /v1/models": models({
          id: "/models/Qwen3-8B-Q4_K_M.gguf",
          owned_by: "llamacpp",
          meta: { n_ctx: 40_960 },
        }),
        "GET /props": jsonReply({
          default_generation_settings: { n_ctx: 8_192 },
          total_slots: 2,
          modalities: { vision: true },
          model_path: "/models/Qwen3-8B-Q4_K_M.gguf",
        }),
      },
      undefined,
      {
        id: "/models/Qwen3-8B-Q4_K_M.gguf",
        server: "llama-server",
        contextTokens: 8_192,
        slots: 2,
        vision: true,
        quantization: "Q4_K_M",
      },
    ],
    [
      "llama-server under any name",
      { "GET /v1/models": models({ id: "real.gguf", owned_by: "llamacpp", meta: { n_ctx: 2_048 } }) },
      "whatever",
      { id: "whatever", server: "llama-server", contextTokens: 2_048 },
    ],
    [
      "LM Studio",
      LMSTUDIO,
      undefined,
      {
        id: "qwen3-8b:2",
        server: "lmstudio",
        contextTokens: 8_192,
        slots: 4,
        vision: false,
        quantization: "Q4_K_M",
      },
    ],
    [
      "LM Studio by the key of a loaded model",
      LMSTUDIO,
      "qwen3-8b",
      { id: "qwen3-8b", contextTokens: 8_192 },
    ],
    [
      "LM Studio before its native list",
      {
        "GET /v1/models": models({ id: "qwen2-vl", owned_by: "organization_owner" }),
        "GET /api/v1/models": UNEXPECTED,
        "GET /api/v0/models": models(
          { id: "old", type: "llm", state: "not-loaded", max_context_length: 9 },
          {
            id: "qwen2-vl",
            type: "vlm",
            state: "loaded",
            quantization: "4bit",
            max_context_length: 32_768,
            loaded_context_length: 4_096,
          },
        ),
      },
      undefined,
      { id: "qwen2-vl", server: "lmstudio", contextTokens: 4_096, vision: true, quantization: "4bit" },
    ],
    [
      "Ollama",
      OLLAMA,
      undefined,
      { id: "qwen3:4b", server: "ollama", contextTokens: 4_096, vision: true, quantization: "Q4_K_M" },
    ],
    [
      "Ollama with a model that is not loaded",
      OLLAMA,
      "llama3",
      { id: "llama3", contextTokens: 16_384, loaded: false },
    ],
    [
      "Ollama with a model that sets no window",
      { ...OLLAMA, "POST /api/show": jsonReply({ model_info: { "llama.context_length": 131_072 } }) },
      "llama3",
      { contextTokens: 4_096 },
    ],
    [
      "vLLM",
      { "GET /v1/models": models({ id: "Qwen/Qwen3-8B", owned_by: "vllm", max_model_len: 32_768 }) },
      undefined,
      { id: "Qwen/Qwen3-8B", server: "vllm", contextTokens: 32_768 },
    ],
    [
      "another server that says its window",
      { "GET /v1/models": models({ id: "a/b", context_length: 65_536 }) },
      "a/b",
      { server: "openai-compatible", contextTokens: 65_536 },
    ],
    [
      "ours",
      {
        "GET /v1/models": models({ id: "lmagent-practice-1", meta: { n_ctx: 2_048 } }),
        "GET /health": jsonReply({ status: "ok", server: "lmagent" }),
        "GET /props": jsonReply({ default_generation_settings: { n_ctx: 2_048 }, total_slots: 2 }),
        "GET /api/v1/models": jsonReply({ models: [] }),
        "GET /api/ps": jsonReply({ models: [] }),
      },
      undefined,
      {
        id: "lmagent-practice-1",
        server: "lmagent",
        contextTokens: 2_048,
        slots: 2,
        profile: { name: "practice" },
      },
    ],
  ])("is read from %s", async (_name, routes, id, expected) => {
    expect(await describeAt(routes, id)).toMatchObject(expected);
  });

  it("is unknown where nobody says", async () => {
    const info = await describeAt({}, "scripted");
    expect(info).toEqual({
      id: "scripted",
      server: "openai-compatible",
      baseUrl: expect.stringMatching(/\/v1$/),
      profile: { name: "default" },
    });
  });

  it.each([
    ["nonsense", jsonReply([1, "x", null])],
    ["strings", jsonReply({ data: "x", models: "y", default_generation_settings: 7, total_slots: "many" })],
    ["pages", htmlReply("<h1>Hello</h1>")],
    ["errors", errorReply(500, "boom")],
    ["nulls", jsonReply({ data: [null, { id: null }], models: [null, { loaded_instances: [null] }] })],
  ])("does not stumble over %s", async (_name, reply) => {
    const paths = ["/v1/models", "/props", "/api/v1/models", "/api/v0/models", "/api/ps", "/health"];
    const info = await describeAt(
      { ...Object.fromEntries(paths.map((path) => [`GET ${path}`, reply])), "POST /api/show": reply },
      undefined,
    );
    expect(info.id).toMatch(/\w/);
    expect(info.contextTokens).toBeUndefined();
  });

  it("does not wait for routes that never answer", async () => {
    const server = await start({
      "GET /v1/models": models({ id: "m", max_model_len: 10 }),
      "GET /props": hangingReply(),
      "GET /health": hangingReply(),
    });
    const info = await createModel(server.url, { id: undefined }).describe({});
    expect(info).toMatchObject({ server: "vllm", contextTokens: 10 });
    const hanging = server.requests.filter(({ path }) => path === "/props" || path === "/health");
    await expect.poll(() => hanging.map(({ abandoned }) => abandoned)).toEqual([true, true]);
  });

  it("is waited for while the server loads its model", async () => {
    const loading = errorReply(503, "Loading model", { type: "unavailable_error" });
    const loaded = jsonReply({ default_generation_settings: { n_ctx: 4_096 }, total_slots: 1 });
    const routes: Record<string, ScriptedReply> = { "GET /v1/models": loading, "GET /props": loading };
    const server = await start(routes);
    const asked = createModel(server.url).describe({});
    await expect.poll(() => server.requests.length).toBeGreaterThan(5);
    Object.assign(routes, {
      "GET /v1/models": models({ id: "m", owned_by: "llamacpp" }),
      "GET /props": loaded,
    });
    expect(await asked).toMatchObject({ server: "llama-server", contextTokens: 4_096 });
  });

  it("is asked again when the server was still loading at the end of the wait", async () => {
    const routes: Record<string, ScriptedReply> = { "GET /props": errorReply(503, "Loading model") };
    const server = await start(routes);
    const model = createModel(server.url, { loadingMs: 0 });
    expect((await model.describe({})).contextTokens).toBeUndefined();
    routes["GET /props"] = jsonReply({ default_generation_settings: { n_ctx: 4_096 } });
    expect((await model.describe({})).contextTokens).toBe(4_096);
  });

  it("is asked once", async () => {
    const server = await start(LMSTUDIO);
    const model = createModel(server.url, { id: undefined });
    const first = await model.describe({});
    const { length } = server.requests;
    expect(await model.describe({})).toBe(first);
    expect(server.requests).toHaveLength(length);
    expect(model.id).toBe("qwen3-8b:2");
  });

  it("is asked once by all who ask at the same time, and one may leave", async () => {
    const server = await start(LMSTUDIO);
    const model = createModel(server.url, { id: undefined });
    const impatient = new AbortController();
    const left = model.describe({ signal: impatient.signal });
    const asked = [model.describe({}), model.describe({ signal: new AbortController().signal })];
    impatient.abort(new Error("enough"));
    await expect(left).rejects.toThrow("enough");
    const [one, other] = await Promise.all(asked);
    expect(one).toMatchObject({ id: "qwen3-8b:2" });
    expect(other).toBe(one);
    const routes = server.requests.map(({ method, path }) => `${method} ${path}`);
    expect(routes).toHaveLength(new Set(routes).size);
  });

  it("is asked anew after all who asked have left", async () => {
    const routes: Record<string, ScriptedReply> = { "GET /props": hangingReply() };
    const server = await start(routes);
    const model = createModel(server.url);
    const impatient = new AbortController();
    const left = model.describe({ signal: impatient.signal });
    await expect.poll(() => server.requests.length).toBeGreaterThan(3);
    impatient.abort(new Error("enough"));
    await expect(left).rejects.toThrow("enough");
    const hanging = server.requests.find(({ path }) => path === "/props");
    await expect.poll(() => hanging?.abandoned).toBe(true);
    routes["GET /props"] = jsonReply({});
    expect(await model.describe({})).toMatchObject({ id: "scripted" });
  });

  it("is asked again while the window is only a guess", async () => {
    const routes: Record<string, ScriptedReply> = { ...OLLAMA, "GET /api/ps": jsonReply({ models: [] }) };
    const server = await start(routes);
    const model = createModel(server.url, { id: "qwen3:4b" });
    expect((await model.describe({})).contextTokens).toBe(16_384);
    routes["GET /api/ps"] = OLLAMA["GET /api/ps"];
    expect((await model.describe({})).contextTokens).toBe(4_096);
  });

  it("names the model of a request when the user named none", async () => {
    const server = await start(LMSTUDIO);
    await runModel(createModel(server.url, { id: undefined }));
    expect(server.chats[0]?.json).toMatchObject({ model: "qwen3-8b:2" });
  });
});

describe("a model that the server does not have", () => {
  it.each([
    ["LM Studio", LMSTUDIO, /`qwen3-8b`/],
    ["Ollama", OLLAMA, /`qwen3:4b`/],
    ["vLLM", { "GET /v1/models": models({ id: "only", owned_by: "vllm", max_model_len: 10 }) }, /`only`/],
  ] as [string, Record<string, ScriptedReply>, RegExp][])(
    "is refused at once, with those it has: %s",
    async (_name, routes, names) => {
      await expect(describeAt(routes, "qwen9")).rejects.toMatchObject({
        code: "model_rejected",
        message: expect.stringMatching(names),
      });
    },
  );
});

describe("a model that is not on a list that may be short", () => {
  it.each([
    ["llama-server", { "GET /v1/models": models({ id: "only", owned_by: "llamacpp" }) }],
    ["an unknown server", { "GET /v1/models": models({ id: "only" }) }],
  ] as [string, Record<string, ScriptedReply>][])("goes on with %s", async (_name, routes) => {
    expect(await describeAt(routes, "qwen9")).toMatchObject({ id: "qwen9" });
  });

  it("is refused by our own server, whose list is whole", async () => {
    const routes = {
      "GET /health": jsonReply({ server: "lmagent" }),
      "GET /v1/models": models({ id: "only" }),
    };
    await expect(describeAt(routes, "qwen9")).rejects.toMatchObject({
      code: "model_rejected",
      message: expect.stringMatching(/`only`/),
    });
  });
});

describe("a key that the server refuses", () => {
  it("is not spoken of when there was none", async () => {
    const routes = { "GET /v1/models": jsonReply("", { status: 403 }) };
    await expect(describeAt(routes)).rejects.toMatchObject({
      code: "model_rejected",
      message: expect.stringMatching(/refused access \(status 403\)\. If it needs an API key/),
    });
  });

  it("is reported before the first turn", async () => {
    await expect(describeAt({ "GET /v1/models": errorReply(401, "no") })).rejects.toMatchObject({
      code: "model_rejected",
      message: expect.stringMatching(/API key.*LLM_API_KEY/),
    });
  });
});

describe("an abort", () => {
  it("ends the questions", async () => {
    const server = await start({ "GET /v1/models": hangingReply() });
    const controller = new AbortController();
    const asked = createModel(server.url).describe({ signal: controller.signal });
    await expect.poll(() => server.requests.length).toBeGreaterThan(3);
    controller.abort(new Error("enough"));
    await expect(asked).rejects.toThrow("enough");
  });
});

describe("a profile", () => {
  it("can be given", async () => {
    const server = await start({});
    const profiles = [{ pattern: /^scr/, profile: { name: "mine", temperature: 0.1 } }];
    const model = createModel(server.url, { profiles });
    expect((await model.describe({})).profile.name).toBe("mine");
    await runModel(model, { request: REQUEST });
    expect(server.chats[0]?.json).toMatchObject({ temperature: 0.1 });
  });
});
