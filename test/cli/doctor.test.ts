import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DoctorCheck } from "../../src/cli/doctor/checks.ts";
import { checkModelInfo } from "../../src/cli/doctor/model-check.ts";
import { checkEngine, checkPracticeModel } from "../../src/cli/doctor/runtime-check.ts";
import { checkServer, listOtherServers, type ServerFound } from "../../src/cli/doctor/server-check.ts";
import { openProfiles } from "../../src/cli/profiles.ts";
import { readSettings } from "../../src/cli/settings.ts";
import type { ModelInfo, ProbeFindings } from "../../src/core/model.ts";
import {
  hangingReply,
  htmlReply,
  jsonReply,
  type ScriptedReply,
  type ScriptedServer,
} from "../../src/testing/index.ts";
import { serve } from "../models/serve.ts";
import { createCommandPlace, type CommandPlace } from "./_command.ts";

let place: CommandPlace;
beforeEach(() => (place = createCommandPlace()));
afterEach(() => place[Symbol.dispose]());

interface Examined extends ServerFound {
  named: Record<string, DoctorCheck>;
  server: ScriptedServer;
  port: string;
}

async function examine(routes: Record<string, ScriptedReply>, model?: string): Promise<Examined> {
  const server = await serve([], { routes });
  const flags = { baseUrl: server.url, ...(model === undefined ? {} : { model }) };
  const found = await checkServer(await readSettings(flags, process.env, place.workspace));
  return { ...found, named: toNamed(found.checks), server, port: new URL(server.url).port };
}

function toNamed(checks: readonly DoctorCheck[]): Record<string, DoctorCheck> {
  return Object.fromEntries(checks.map((check) => [check.name, check]));
}

const models = (...data: unknown[]): ScriptedReply => jsonReply({ object: "list", data });

function llamaServer(fields: {
  window: number;
  slots?: number;
  template?: string;
  trained?: number;
  path?: string;
}): Record<string, ScriptedReply> {
  const { window, slots = 1, template = "{% for tool in tools %}{{ messages }} system" } = fields;
  const { trained = 40_960, path = "/my models/Qwen3-8B-Q4_K_M.gguf" } = fields;
  const meta = { n_ctx_train: trained, ftype: "Q8_0" };
  return {
    "GET /v1/models": models({ id: "qwen.gguf", owned_by: "llamacpp", meta }),
    "GET /props": jsonReply({
      default_generation_settings: { n_ctx: window },
      total_slots: slots,
      model_path: path,
      chat_template: template,
    }),
  };
}

function lmStudio(window: number): Record<string, ScriptedReply> {
  return {
    "GET /v1/models": models({ id: "qwen3-8b:2", owned_by: "organization_owner" }),
    "GET /api/v1/models": jsonReply({
      models: [
        {
          type: "llm",
          key: "qwen3-8b",
          quantization: { name: "Q4_K_M" },
          max_context_length: 40_960,
          loaded_instances: [{ id: "qwen3-8b:2", config: { context_length: window, parallel: 4 } }],
        },
      ],
    }),
  };
}

function ollama(window: number): Record<string, ScriptedReply> {
  return {
    "GET /v1/models": models({ id: "qwen3:4b", owned_by: "library" }),
    "GET /api/ps": jsonReply({ models: [{ name: "qwen3:4b", context_length: window, details: {} }] }),
    "POST /api/show": jsonReply({ model_info: { "qwen3.context_length": 40_960 } }),
  };
}

function vllm(window: number): Record<string, ScriptedReply> {
  return { "GET /v1/models": models({ id: "Qwen/Qwen3-8B", owned_by: "vllm", max_model_len: window }) };
}

describe("a server that doctor looks at", () => {
  it.each([
    ["llama-server", llamaServer({ window: 32_768 }), "Q4_K_M"],
    ["lmstudio", lmStudio(32_768), "Q4_K_M"],
    ["ollama", ollama(32_768), "qwen3:4b"],
    ["vllm", vllm(32_768), "Qwen/Qwen3-8B"],
  ])("is named as %s, and has nothing to repair when nothing is wrong", async (kind, routes, fact) => {
    const { checks, named } = await examine(routes);
    expect(named["model"]?.detail).toContain(`on ${kind} at http://127.0.0.1:`);
    expect(named["model"]?.detail).toContain(fact);
    expect(named["window"]).toMatchObject({
      status: "ok",
      detail: expect.stringContaining("32,768") as string,
    });
    expect(checks.filter(({ fix }) => fix !== undefined).map(({ name }) => name)).toEqual(["abilities"]);
  });

  it("is asked small questions only, and to do nothing", async () => {
    const { server } = await examine(llamaServer({ window: 2_048 }));
    expect(server.chats).toEqual([]);
    expect(server.requests.filter(({ method, path }) => method !== "GET" && path !== "/api/show")).toEqual(
      [],
    );
  });

  it.each([
    [
      "llama-server",
      llamaServer({ window: 4_000 }),
      /^llama-server -m '\/my models\/Qwen3-8B-Q4_K_M\.gguf' --port PORT -c 32768$/,
    ],
    ["LM Studio", lmStudio(2_048), /^lms unload qwen3-8b:2 && lms load qwen3-8b --context-length 32768$/],
    [
      "Ollama",
      ollama(2_048),
      /^OLLAMA_CONTEXT_LENGTH=32768 ollama serve .* or printf '%s\\n' 'FROM qwen3:4b' 'PARAMETER num_ctx 32768' > Modelfile && ollama create qwen3-4b-32k -f Modelfile$/,
    ],
    ["vLLM", vllm(2_048), /^vllm serve Qwen\/Qwen3-8B --port PORT --max-model-len 32768$/],
  ])("with a window in which nothing can be done gets the command of %s", async (_name, routes, fix) => {
    const { named, port } = await examine(routes);
    expect(named["window"]?.status).toBe("broken");
    expect(named["window"]?.fix?.replace(`--port ${port}`, "--port PORT")).toMatch(fix);
  });

  it.each([
    [5_000, "note", "tight"],
    [8_192, "note", "left unused"],
    [16_384, "ok", "of 40,960"],
  ])("with a window of %d tokens is judged by what it was trained for", async (window, status, words) => {
    const { named } = await examine(llamaServer({ window }));
    expect(named["window"]).toMatchObject({ status, detail: expect.stringContaining(words) as string });
  });

  it("that divides its window is told how to give it to one conversation", async () => {
    const { named, port } = await examine(llamaServer({ window: 4_096, slots: 4 }));
    expect(named["slots"]).toEqual({
      name: "slots",
      status: "note",
      detail: "4 of 4,096 tokens each; a single one could have about 16,384",
      fix: `llama-server -m '/my models/Qwen3-8B-Q4_K_M.gguf' --port ${port} -c 16384 -np 1`,
    });
    // With their number given each slot has its share; without it they may share one memory.
    expect(named["window"]?.fix).toContain("-c 131072 -np 4");
  });

  it.each([
    ["llama-server", llamaServer({ window: 32_768, slots: 4 })],
    ["LM Studio", lmStudio(32_768)],
  ])("says nothing of a whole that it cannot know when slots have room enough: %s", async (_name, routes) => {
    const { named } = await examine(routes);
    expect(named["slots"]).toEqual({
      name: "slots",
      status: "ok",
      detail: "4, which can work side by side",
    });
  });

  it.each([
    [2_048, "broken"],
    [6_000, "note"],
  ])(
    "with all of the %d tokens its model was trained for is not told to load more",
    async (window, status) => {
      const { named } = await examine(llamaServer({ window, trained: window }));
      const fix = "lmagent --model NAME, with a model that was trained for 8,192 tokens or more";
      expect(named["window"]).toMatchObject({ status, fix });
    },
  );

  it("with less than its model was trained for is told how to load that, and no more", async () => {
    const { named } = await examine(llamaServer({ window: 2_048, trained: 6_000 }));
    expect(named["window"]?.fix).toMatch(/ -c 6000$/);
  });

  it("tells the quantization itself where no file name does", async () => {
    const routes = llamaServer({ window: 32_768, path: "/models/qwen.gguf" });
    const { named } = await examine(routes);
    expect(named["model"]?.detail).toMatch(/, Q8_0$/);
  });

  it("with a model that is not loaded says what its window is going to be", async () => {
    const { named } = await examine({ ...ollama(2_048), "GET /api/ps": jsonReply({ models: [] }) });
    expect(named["window"]).toMatchObject({
      status: "note",
      detail: expect.stringMatching(
        /^4,096 tokens, as far as is known before it is loaded, of 40,960/,
      ) as string,
    });
  });

  it("that does not tell its window can be told", async () => {
    const { named } = await examine({ "GET /v1/models": models({ id: "a/b" }) });
    expect(named["window"]).toMatchObject({
      status: "note",
      fix: expect.stringContaining('{"a/b": {context_tokens: 8192}}') as string,
    });
  });

  it("with a template that keeps tools from the model cannot be worked with", async () => {
    const { named } = await examine(llamaServer({ window: 32_768, template: "{{ messages }} system" }));
    expect(named["template"]).toMatchObject({
      status: "broken",
      detail: expect.stringContaining("tools") as string,
      fix: expect.stringContaining("--jinja --chat-template-file") as string,
    });
  });

  it("with a template that refuses system messages is told so", async () => {
    const template = "{% for t in tools %}{{ raise_exception('system role is not supported') }}";
    const { named } = await examine(llamaServer({ window: 32_768, template }));
    expect(named["template"]).toMatchObject({
      status: "note",
      detail: expect.stringContaining("system") as string,
    });
  });

  it("that says nothing is given up within two seconds", async () => {
    const started = performance.now();
    const { named } = await examine({ "GET /v1/models": hangingReply() });
    expect(named["model"]).toMatchObject({
      status: "broken",
      fix: expect.stringContaining("restart") as string,
    });
    expect(performance.now() - started).toBeLessThan(4_000);
  });

  it("that answers with web pages is none", async () => {
    const { named } = await examine({ "GET /v1/models": htmlReply("<html>") });
    expect(named["model"]?.status).toBe("broken");
  });

  it("that is loading its model is not waited for", async () => {
    const loading = jsonReply({ error: { message: "Loading model" } }, { status: 503 });
    const { checks } = await examine({ "GET /v1/models": loading });
    expect(checks).toEqual([
      expect.objectContaining({
        name: "model",
        status: "note",
        detail: expect.stringContaining("loading") as string,
      }),
    ]);
  });

  it("does not have the model that was named", async () => {
    const { named } = await examine(vllm(8_192), "other");
    expect(named["model"]).toMatchObject({
      status: "broken",
      detail: expect.stringContaining("`Qwen/Qwen3-8B`") as string,
      fix: expect.stringMatching(/--model Qwen\/Qwen3-8B$/) as string,
    });
  });

  it("wants a key", async () => {
    const { named } = await examine({ "GET /v1/models": jsonReply({ error: "no" }, { status: 401 }) });
    expect(named["model"]).toMatchObject({
      status: "broken",
      fix: expect.stringContaining("LLM_API_KEY") as string,
    });
  });

  it("is not needed for the rest", async () => {
    const settings = await readSettings({ baseUrl: "http://127.0.0.1:9" }, process.env, place.workspace);
    const started = performance.now();
    expect((await checkServer(settings)).checks).toEqual([
      expect.objectContaining({ name: "model", status: "broken" }),
    ]);
    expect(performance.now() - started).toBeLessThan(4_000);
    const wrong = await readSettings({ baseUrl: "nonsense" }, process.env, place.workspace);
    expect((await checkServer(wrong)).checks).toMatchObject([{ status: "broken" }]);
  });

  it("is shown with what the user has set, and with settings that cannot be used", async () => {
    mkdirSync(place.home);
    const file = join(place.home, "config.yaml");
    writeFileSync(file, "profiles: {'*': {context_tokens: 12000}}");
    const silent = { "GET /v1/models": models({ id: "a/b" }) };
    expect((await examine(silent)).named["window"]?.detail).toContain("12,000");
    writeFileSync(file, "profiles: {'*': {temperature: hot}}");
    const { named } = await examine(silent);
    expect(named["profiles"]).toMatchObject({
      status: "broken",
      fix: `correct it in ${file}, then lmagent doctor`,
      detail: expect.stringContaining("`hot`") as string,
    });
    expect(named["model"]?.status).toBe("ok");
  });
});

describe("findings that doctor shows", () => {
  const info: ModelInfo = {
    id: "m",
    server: "vllm",
    baseUrl: "http://127.0.0.1:8000/v1",
    contextTokens: 32_768,
    profile: { name: "default" },
  };
  const of = (
    probe: Partial<ProbeFindings>,
    change: Partial<ModelInfo> = {},
  ): Record<string, DoctorCheck> => {
    const profile = { ...info.profile, probe: { probedAt: "2026-01-01", ...probe } };
    return toNamed(checkModelInfo({ ...info, profile, ...change }, { home: "/home/u/.lmagent" }));
  };

  it("are those that were kept", async () => {
    const { server } = await examine(vllm(8_192));
    const profiles = await openProfiles(place);
    const kept: ModelInfo = { ...info, id: "Qwen/Qwen3-8B", baseUrl: `${server.url}/v1` };
    await profiles.save(kept, { probedAt: "2026-01-01", nativeCalls: true, forcedCalls: "none" });
    const settings = await readSettings({ baseUrl: server.url }, process.env, place.workspace);
    const { checks } = await checkServer(settings);
    expect(toNamed(checks)["abilities"]?.detail).toContain("tool calls: native");
    expect(toNamed(checks)["follows"]?.detail).toContain("no second chance");
    const folder = join(place.home, "profiles");
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), "{");
    expect(toNamed((await checkServer(settings)).checks)["profiles"]).toMatchObject({
      status: "note",
      fix: `lmagent probe --base-url ${server.url}/v1 --model Qwen/Qwen3-8B --refresh`,
    });
  });

  it("name the command that makes them when there are none", () => {
    const checks = toNamed(checkModelInfo(info, { home: "/home/u/.lmagent" }));
    expect(checks["abilities"]).toMatchObject({
      status: "note",
      detail: "not tested yet; an idle session does it once",
      fix: "lmagent probe --base-url http://127.0.0.1:8000/v1 --model m",
    });
  });

  it("are not promised where no session makes them by itself", () => {
    const far = checkModelInfo({ ...info, baseUrl: "https://api.example.com/v1" }, { home: "/home" });
    expect(toNamed(far)["abilities"]?.detail).toBe("not tested yet");
  });

  it("name thinking that is switched off", () => {
    const profile = { ...info.profile, thinkingTokens: 0, probe: { probedAt: "2026-01-01" } };
    expect(of({}, { profile })["follows"]?.detail).toBe("Thinking is switched off (`thinking_tokens`).");
  });

  it("outweigh what a template looks like", () => {
    const templateFaults = ["it leaves tools out, so the model is not told of them"];
    expect(of({}, { templateFaults })["template"]?.status).toBe("broken");
    expect(of({ nativeCalls: true }, { templateFaults })["template"]?.status).toBe("note");
    const ollama = of({}, { templateFaults, server: "ollama" });
    expect(ollama["template"]?.fix).toContain("ollama pull");
  });

  it("are told from what is only set", () => {
    const set = of({ probedAt: new Date(0).toISOString(), forcedCalls: "none" });
    expect(set["abilities"]).toMatchObject({
      status: "note",
      detail: expect.stringContaining("not tested") as string,
    });
    expect(of({}, { id: "lmagent-practice" })["abilities"]).toBeUndefined();
  });

  it.each([
    ["Qwen/Qwen3-8B", "vllm", "--enable-auto-tool-choice --tool-call-parser hermes"],
    ["meta-llama/Llama-3.1-8B-Instruct", "vllm", "--tool-call-parser llama3_json"],
    ["mistralai/Devstral-Small", "vllm", "--tool-call-parser mistral"],
    ["it's.gguf", "llama-server", String.raw`-m 'it'\''s.gguf' --port 8000 --jinja`],
    ["gemma:2b", "ollama", "ollama pull"],
    ["gemma", "lmstudio", "lms get"],
  ] as const)("are a fault when %s of %s makes no calls", (id, server, fix) => {
    const none = of({ nativeCalls: false }, { id, server });
    expect(none["tool calls"]).toMatchObject({
      status: "broken",
      fix: expect.stringContaining(fix) as string,
    });
    const text = of({ nativeCalls: false, textForm: "<tool_call> in text" }, { id, server });
    expect(text["tool calls"]).toMatchObject({ status: "note", fix: expect.stringContaining(fix) as string });
  });
});

describe("what else doctor finds", () => {
  it("are other model servers of this machine", () => {
    const servers = [
      { kind: "lmstudio", baseUrl: "http://127.0.0.1:1234/v1", models: ["a", "b"] },
      { kind: "ollama", baseUrl: "http://127.0.0.1:11434/v1", models: [] },
    ] as const;
    expect(listOtherServers(servers, "http://localhost:1234")).toEqual([
      {
        name: "also ollama",
        status: "ok",
        detail:
          "at http://127.0.0.1:11434/v1 with no model; use it with --base-url http://127.0.0.1:11434/v1",
      },
    ]);
    expect(listOtherServers(servers, undefined)).toHaveLength(1);
    expect(listOtherServers(servers, "http://192.168.0.9:1234")).toHaveLength(2);
  });

  it("is a runtime or a practice model that is missing, which is a fault only where it would serve", () => {
    for (const check of [checkEngine, checkPracticeModel]) {
      expect(check("/nowhere/at/all", { needed: true })).toMatchObject({ status: "broken" });
      expect(check("/nowhere/at/all", { needed: false })).toMatchObject({ status: "note" });
    }
    expect(checkPracticeModel(process.cwd(), { needed: true })).toMatchObject({ status: "ok" });
  });
});
