import { afterEach, describe, expect, it } from "vitest";
import type { ModelProfile } from "../../src/core/model.ts";
import type { RecordedRequest, ScriptedReply, ScriptedServer } from "../../src/testing/index.ts";
import {
  callReply,
  errorReply,
  jsonReply,
  startScriptedServer,
  streamReply,
  textReply,
  toChunk,
} from "../../src/testing/index.ts";
import { chooseForce } from "../../src/models/forced-call.ts";
import { createModel, REQUEST, runModel } from "./run-model.ts";
import { TOOLS } from "./tools.ts";

let server: ScriptedServer;
afterEach(() => server.close());

const KINDS: Record<string, Record<string, ScriptedReply>> = {
  "llama-server": { "GET /props": jsonReply({ total_slots: 1 }) },
  vllm: { "GET /v1/models": jsonReply({ data: [{ id: "scripted", owned_by: "vllm" }] }) },
  lmagent: { "GET /health": jsonReply({ server: "lmagent" }) },
  lmstudio: { "GET /api/v1/models": jsonReply({ models: [{ key: "scripted" }] }) },
  ollama: { "GET /api/ps": jsonReply({ models: [{ name: "scripted", context_length: 4096 }] }) },
  "openai-compatible": {},
};
type Answer = (request: RecordedRequest) => ScriptedReply;
async function connect(kind: string, answer: Answer, profile?: ModelProfile) {
  server = await startScriptedServer(answer, { routes: KINDS[kind] ?? {} });
  const model = createModel(server.url, profile ? { profiles: [{ pattern: /./, profile }] } : {});
  expect((await model.describe({})).server).toBe(kind);
  return model;
}
const bodies = () => server.chats.map(({ json }) => json as Record<string, unknown>);
const ways = () =>
  bodies().map((body) =>
    "tool_choice" in body ? "tool_choice" : "response_format" in body ? "schema" : "plain",
  );

const FORCED = { ...REQUEST, toolChoice: "required" as const };
const LS = { name: "ls", arguments: { path: "." } };
const AS_JSON = textReply(JSON.stringify(LS));

describe("a call that must come", () => {
  it.each(["vllm", "lmagent", "openai-compatible"])("is asked for by tool choice at %s", async (kind) => {
    const model = await connect(kind, () => callReply([LS]));
    const { reply } = await runModel(model, { request: FORCED });
    expect(reply.calls).toMatchObject([LS]);
    expect(reply.calls[0]).not.toHaveProperty("rescued");
    expect(bodies()).toMatchObject([{ tool_choice: "required" }]);
  });

  it.each(["llama-server", "lmstudio", "ollama"])(
    "is asked for by a schema at %s, and is never shown",
    async (kind) => {
      const model = await connect(kind, () => AS_JSON);
      const { reply, events, shown } = await runModel(model, { request: FORCED });
      expect(reply).toMatchObject({
        text: "",
        finish: "tool_calls",
        calls: [{ ...LS, rescued: "JSON schema" }],
      });
      expect(shown).toBe("");
      expect(events).toContainEqual({ type: "call_progress", name: "ls", bytes: expect.any(Number) });
      const [body] = bodies();
      expect(body).not.toHaveProperty("tool_choice");
      expect(body).toMatchObject({ tools: TOOLS, response_format: { type: "json_schema" } });
    },
  );

  it("may be any tool with its own parameters, and nothing else", async () => {
    const model = await connect("lmstudio", () => AS_JSON);
    const linked = { type: "object", properties: { at: { $ref: "#/$defs/at" } }, $defs: { at: {} } };
    const odd = { type: "function" as const, function: { name: "odd", description: "", parameters: linked } };
    const [read] = TOOLS;
    const tools = read ? [read, odd] : [];
    await runModel(model, { request: { ...FORCED, tools } });
    expect(bodies()[0]?.["response_format"]).toMatchObject({
      json_schema: {
        schema: {
          type: "object",
          anyOf: [
            {
              properties: { name: { const: "read" }, arguments: read?.function.parameters },
              required: ["name", "arguments"],
            },
            // A reference would point outside its own schema.
            { properties: { name: { const: "odd" }, arguments: { type: "object" } } },
          ],
        },
      },
    });
  });

  it("is no permanent state", async () => {
    const model = await connect("lmstudio", () => AS_JSON);
    await runModel(model, { request: FORCED });
    await runModel(model);
    expect(ways()).toEqual(["schema", "plain"]);
  });

  it("leaves tools and messages as they are in every other request", async () => {
    const model = await connect("llama-server", () => callReply([LS]));
    await runModel(model);
    await runModel(model, { request: FORCED });
    await runModel(model, { request: { ...REQUEST, toolChoice: "none" } });
    expect(ways()).toEqual(["plain", "schema", "tool_choice"]);
    const parts = server.chats.map(({ body }) => body.slice(body.indexOf('"tools":')));
    expect(new Set(parts).size).toBe(1);
  });

  it.each([
    [400, "tool_choice 'required' is not supported"],
    [422, "Tool choice must be auto"],
    [501, "tool choice is not implemented"],
  ])("is asked for in the next way after a refusal (status %s), from then on", async (status, words) => {
    const model = await connect("openai-compatible", ({ body }) =>
      body.includes('"tool_choice"') ? errorReply(status, words) : AS_JSON,
    );
    expect((await runModel(model, { request: FORCED })).reply.calls).toMatchObject([LS]);
    expect((await runModel(model, { request: FORCED })).reply.calls).toMatchObject([LS]);
    expect(ways()).toEqual(["tool_choice", "schema", "schema"]);
  });

  it.each([
    "'response_format.type' must be 'text'",
    "JSON schema conversion failed",
    "Failed to parse grammar",
  ])("is left to the model where neither works: %s", async (words) => {
    const model = await connect("openai-compatible", ({ body }) => {
      if (body.includes('"tool_choice"')) return errorReply(400, "unknown field tool_choice");
      return body.includes('"response_format"') ? errorReply(500, words) : textReply("no call");
    });
    expect((await runModel(model, { request: FORCED })).reply.text).toBe("no call");
    await runModel(model, { request: FORCED });
    expect(ways()).toEqual(["tool_choice", "schema", "plain", "plain"]);
  });

  it("is asked for in another way next time where a server takes the field and does not heed it", async () => {
    const model = await connect("openai-compatible", () => textReply("Just words."));
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await runModel(model, { request: FORCED })).shown).toBe("Just words.");
    }
    expect(ways()).toEqual(["tool_choice", "schema", "plain"]);
  });

  it("is asked for by tool choice at llama-server where it holds nothing to a schema", async () => {
    const model = await connect("llama-server", ({ body }) =>
      body.includes('"response_format"')
        ? textReply("Words up to the", { finish: "length" })
        : callReply([LS]),
    );
    await runModel(model, { request: FORCED });
    expect((await runModel(model, { request: FORCED })).reply.calls).toMatchObject([LS]);
    expect(ways()).toEqual(["schema", "tool_choice"]);
  });

  it("may take all of the reply for thinking, which says nothing of the server", async () => {
    const model = await connect("vllm", () => textReply("", { thinking: "Hm.", finish: "length" }));
    await runModel(model, { request: FORCED });
    await runModel(model, { request: FORCED });
    expect(ways()).toEqual(["tool_choice", "tool_choice"]);
  });

  it("is found where an older server takes it for thinking", async () => {
    const model = await connect("llama-server", () => textReply("", { thinking: JSON.stringify(LS) }));
    expect((await runModel(model, { request: FORCED })).reply.calls).toMatchObject([LS]);
  });

  it("is asked for as the probe found", async () => {
    const probe = { probedAt: "2026-01-01T00:00:00Z", forcedCalls: "json_schema" as const };
    const model = await connect("vllm", () => AS_JSON, { name: "probed", probe });
    await runModel(model, { request: FORCED });
    expect(ways()).toEqual(["schema"]);
    expect(chooseForce({ server: "vllm", found: "none", failed: new Set() })).toBeUndefined();
    const failed = new Set(["json_schema"] as const);
    expect(chooseForce({ server: "ollama", found: "json_schema", failed })).toBeUndefined();
  });

  it("does not run when the length limit cut it", async () => {
    const model = await connect("ollama", () =>
      textReply('{"name": "write", "arguments": {"path": "a", "con', { finish: "length" }),
    );
    const { reply, shown } = await runModel(model, { request: FORCED });
    expect(shown).toBe("");
    expect(reply).toMatchObject({
      text: "",
      finish: "length",
      calls: [{ name: "write", arguments: undefined, problem: expect.stringMatching(/cut off/) }],
    });
  });

  it.each([
    ["after thinking", textReply(JSON.stringify(LS), { thinking: "Look first." })],
    ["after thinking in the text", textReply(`<think>Look first.</think>\n${JSON.stringify(LS)}`)],
    ["in a fence", textReply(`\`\`\`json\n${JSON.stringify(LS)}\n\`\`\``)],
    ["also as a native one", callReply([LS], { text: JSON.stringify(LS) })],
    ["with a trailing comma", textReply('{"name": "ls", "arguments": {"path": ".",},}')],
  ])("is read %s", async (_name, answer) => {
    const model = await connect("lmstudio", () => answer);
    const { reply, shown } = await runModel(model, { request: FORCED });
    expect(reply).toMatchObject({ text: "", calls: [LS] });
    expect(reply.calls).toHaveLength(1);
    expect(shown).toBe("");
  });

  it("says what is wrong with it", async () => {
    const model = await connect("lmstudio", () => textReply('{"name": "fly", "arguments": {}}'));
    const { reply } = await runModel(model, { request: FORCED });
    expect(reply.calls).toMatchObject([{ name: "fly", problem: expect.stringMatching(/fly/) }]);
  });

  it("needs tools", async () => {
    const model = await connect("lmstudio", () => textReply("hi"));
    await runModel(model, { request: { ...FORCED, tools: [] } });
    expect(ways()).toEqual(["plain"]);
  });
});

describe("a request for words alone", () => {
  const NONE = { ...REQUEST, toolChoice: "none" as const };

  it.each([
    ["llama-server", true],
    ["vllm", true],
    ["lmagent", true],
    ["lmstudio", false],
    ["ollama", false],
    ["openai-compatible", false],
  ])(
    "keeps the tools at %s, and says that none is to be called only where the prompt stays: %s",
    async (kind, said) => {
      const model = await connect(kind, () => textReply("A summary."));
      await runModel(model, { request: NONE });
      expect(bodies()[0]).toMatchObject({ tools: TOOLS, ...(said ? { tool_choice: "none" } : {}) });
      expect("tool_choice" in (bodies()[0] ?? {})).toBe(said);
    },
  );
});

describe("a budget of thinking", () => {
  it.each<[string, number, object]>([
    ["llama-server", 500, { thinking_budget_tokens: 500 }],
    ["llama-server", 0, { thinking_budget_tokens: 0, chat_template_kwargs: { enable_thinking: false } }],
    ["vllm", 500.7, { thinking_token_budget: 500 }],
    ["vllm", 0, { chat_template_kwargs: { enable_thinking: false } }],
    ["lmagent", 0, { chat_template_kwargs: { enable_thinking: false } }],
    ["lmagent", 500, {}],
    ["ollama", 0, { reasoning_effort: "none" }],
    ["ollama", 500, {}],
    ["lmstudio", 500, {}],
    ["openai-compatible", 0, {}],
    ["llama-server", Number.NaN, {}],
    ["llama-server", -1, {}],
  ])("at %s of %s is %j", async (kind, thinkingTokens, fields) => {
    const model = await connect(kind, () => textReply("hi"));
    await runModel(model, { request: { ...REQUEST, thinkingTokens } });
    const sent = Object.entries(bodies()[0] ?? {}).filter(([key]) => /think|reasoning|kwargs/.test(key));
    expect(Object.fromEntries(sent)).toEqual(fields);
  });

  it.each([
    ["vllm", "thinking_token_budget is set but reasoning_config is not", 500],
    ["vllm", "chat_template_kwargs are not supported for Mistral tokenizers.", 0],
    ["ollama", '"llama3" does not support thinking', 0],
  ])("that %s refuses is left out from then on: %s", async (kind, words, thinkingTokens) => {
    const model = await connect(kind, ({ body }) =>
      /think|reasoning|kwargs/.test(body) ? errorReply(400, words) : textReply("hi"),
    );
    await runModel(model, { request: { ...REQUEST, thinkingTokens } });
    await runModel(model, { request: { ...REQUEST, thinkingTokens } });
    expect(server.chats).toHaveLength(3);
  });
});

describe("a frame of a reply held to a schema", () => {
  it("that says nothing yet has no name", async () => {
    const answer = streamReply([
      toChunk({ content: '{"na' }),
      toChunk({ content: 'me": "ls", ' }),
      toChunk({ content: '"arguments": {}}' }),
      toChunk({}, { finish: "stop" }),
    ]);
    const model = await connect("lmstudio", () => answer);
    const { events } = await runModel(model, { request: FORCED });
    const names = events.map((event) => (event.type === "call_progress" ? event.name : undefined));
    expect(names.filter((name) => name !== undefined)).toEqual(["", "ls", "ls"]);
  });
});
