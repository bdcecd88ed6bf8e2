import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { readPropsTemplate, readShownTemplate } from "../../src/models/template.ts";
import type { ScriptedServer } from "../../src/testing/index.ts";
import { jsonReply, startScriptedServer, textReply } from "../../src/testing/index.ts";
import { createModel, runModel } from "./run-model.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>'}}{% endfor %}";
const HERMES = `{%- if tools %}{{- '<tools>' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}${CHATML}`;
const QWEN3_5 = `${HERMES}{%- if message.role == 'system' and not loop.first %}{{- raise_exception('System message must be at the beginning.') }}{%- endif %}`;
const GEMMA2 =
  "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{{ '<start_of_turn>' + message['role'] + message['content'] }}{% endfor %}";
const LLAMA2 =
  "{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] }}{% endif %}{% endfor %}";

const NO_TOOLS = expect.stringMatching(/tools/) as unknown;
const SYSTEM_OUT = expect.stringMatching(/leaves the system message out/) as unknown;
const SYSTEM_REFUSED = expect.stringMatching(/refuses a system message/) as unknown;
const TURNS = expect.stringMatching(/in a row/) as unknown;

describe("a template in Jinja", () => {
  it.each<[string, string, unknown[] | undefined]>([
    ["with tools and any role", HERMES, undefined],
    ["that wants its system message first, as every template may", QWEN3_5, undefined],
    ["without tools", CHATML, [NO_TOOLS]],
    ["that raises on a system message and on two users", GEMMA2, [NO_TOOLS, SYSTEM_REFUSED, TURNS]],
    ["that knows two roles only", LLAMA2, [NO_TOOLS, SYSTEM_OUT]],
    [
      "whose comments speak of tools and system",
      `{# no tools, no system #}${LLAMA2}`,
      [NO_TOOLS, SYSTEM_OUT],
    ],
    ["too long to be judged", "x".repeat(300_000), undefined],
  ])("%s", async (_name, source, faults) => {
    const facts = await readPropsTemplate({ chat_template: source });
    expect(facts.templateFaults).toEqual(faults);
    expect(facts.templateHash).toBe(createHash("sha256").update(source).digest("hex").slice(0, 16));
  });

  it("has the faults that the server itself found", async () => {
    const caps = { supports_tools: false, supports_system_role: false };
    const facts = await readPropsTemplate({ chat_template: HERMES, chat_template_caps: caps });
    expect(facts.templateFaults).toEqual([NO_TOOLS, SYSTEM_OUT]);
  });

  it("is judged with tools where there is another one for these", async () => {
    const facts = await readPropsTemplate({ chat_template: CHATML, chat_template_tool_use: HERMES });
    expect(facts).toEqual({ templateHash: expect.stringMatching(/^[\da-f]{16}$/) });
  });

  it.each([[undefined], [""], [12], [null], [{}]])("that is %j is none", async (source) => {
    expect(await readPropsTemplate({ chat_template: source })).toEqual({});
    expect(await readShownTemplate({ template: source })).toEqual({});
  });

  it.each([["{{ ".repeat(60_000)], ["raise_exception('".repeat(10_000)], ["{#".repeat(90_000)]])(
    "is judged in little time, however it looks: %#",
    async (source) => {
      const startedAt = performance.now();
      await readPropsTemplate({ chat_template: source });
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    },
  );
});

describe("a template of Ollama", () => {
  const GO = "{{ if .System }}<|system|>{{ .System }}{{ end }}{{ .Prompt }}{{ .Response }}";
  it.each<[string, object, unknown[] | undefined]>([
    ["with tools", { template: GO, capabilities: ["completion", "tools"] }, undefined],
    ["without tools", { template: GO, capabilities: ["completion"] }, [NO_TOOLS]],
    ["of a version that lists no capabilities", { template: GO }, undefined],
    ["without a system message", { template: "[INST] {{ .Prompt }} [/INST]" }, [SYSTEM_OUT]],
    ["that stands for a renderer", { template: "{{ .Prompt }}\n", capabilities: ["tools"] }, undefined],
    ["over all messages", { template: "{{ range .Messages }}{{ .Role }}{{ end }}" }, undefined],
  ])("%s", async (_name, shown, faults) => {
    expect((await readShownTemplate(shown as Record<string, unknown>)).templateFaults).toEqual(faults);
  });
});

describe("what a server says of its template", () => {
  let server: ScriptedServer;
  afterEach(() => server.close());

  it.each([
    ["llama-server", { "GET /props": jsonReply({ total_slots: 1, chat_template: CHATML }) }],
    [
      "ours",
      {
        "GET /health": jsonReply({ server: "lmagent" }),
        "GET /props": jsonReply({ total_slots: 1, chat_template: CHATML }),
      },
    ],
    [
      "Ollama",
      {
        "GET /api/ps": jsonReply({ models: [{ name: "scripted", context_length: 4096 }] }),
        "POST /api/show": jsonReply({ template: CHATML, capabilities: ["completion"] }),
      },
    ],
  ])("comes with the description: %s", async (_name, routes) => {
    server = await startScriptedServer([], { routes });
    expect(await createModel(server.url).describe({})).toMatchObject({
      templateHash: createHash("sha256").update(CHATML).digest("hex").slice(0, 16),
      templateFaults: expect.arrayContaining([NO_TOOLS]),
    });
  });

  it("comes later where our server still loads the model, which has its slots from the start", async () => {
    const props: Record<string, unknown>[] = [{ total_slots: 2 }, { total_slots: 2, chat_template: CHATML }];
    const routes = {
      "GET /health": jsonReply({ server: "lmagent" }),
      "GET /v1/models": jsonReply({ data: [{ id: "scripted", state: "loading" }] }),
      get "GET /props"() {
        return jsonReply((props.length > 1 ? props.shift() : props[0]) ?? {});
      },
    };
    server = await startScriptedServer(() => textReply("ok"), { routes });
    const model = createModel(server.url);
    expect((await model.describe({})).templateHash).toBeUndefined();
    await runModel(model);
    expect(server.chats[0]?.json).toMatchObject({ cache_prompt: true });
    expect((await model.describe({})).templateHash).toMatch(/^[\da-f]{16}$/);
  });
});
