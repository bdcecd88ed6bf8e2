/** Grammars of schemas on real models: llama.cpp takes them, and what comes out fits. */
import * as fc from "../_property.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toCallGrammar } from "../../src/engine/schema/call-format.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { Sampling } from "../../src/engine/protocol.ts";
import { compileSchema, validateJson } from "../../src/engine/schema/compile.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { createModelFolder, say, startEmbedded } from "./_embedded.ts";
import { pair, toDocument } from "./_schemas.ts";

const FREE: Sampling = { temperature: 1, topP: 1, topK: 0, minP: 0, seed: 11 };

const SCHEMAS: unknown[] = [
  {},
  {
    type: "object",
    additionalProperties: { type: "string", format: "date-time" },
    minProperties: 1,
    maxProperties: 3,
  },
  { type: "array", items: { type: "string", format: "email" }, maxItems: 1000 },
  { type: "string", minLength: 3, maxLength: 16_000 },
  { type: "string", pattern: "^\\p{L}{2,12}$" },
  { enum: Array.from({ length: 2000 }, (_, at) => `value ${at}`) },
  { type: "array", minItems: 3, maxItems: 4000, items: { type: "boolean" } },
  {
    type: "object",
    properties: Object.fromEntries(
      Array.from({ length: 200 }, (_, at) => [`p${at}`, { type: "integer", minimum: at }]),
    ),
  },
  ...fc.sample(pair, { numRuns: 12, seed: 41 }).map(toDocument),
];

let folder: Awaited<ReturnType<typeof createModelFolder>>;
const engines: Record<string, Engine> = {};

beforeAll(async () => {
  folder = await createModelFolder();
  await writeTinyModel(folder.path("tiny.gguf"), {});
  engines["practice"] = await startEmbedded(PRACTICE_MODEL);
  engines["random"] = await startEmbedded(folder.path("tiny.gguf"));
}, 60_000);
afterAll(async () => {
  await Promise.all(Object.values(engines).map((engine) => engine[Symbol.asyncDispose]()));
  await folder[Symbol.asyncDispose]();
});

describe.each(["practice", "random"])("the %s model, at its most random", (name) => {
  test("writes what fits the schema, as far as it gets", { timeout: 120_000 }, async () => {
    let complete = 0;
    for (const schema of SCHEMAS) {
      const compiled = compileSchema(schema, { strict: true });
      if (!compiled.ok) throw new Error(JSON.stringify(compiled.refusal));
      const { text, done } = await say(engines[name] as Engine, {
        prompt: "Write JSON:",
        sampling: FREE,
        maxTokens: 120,
        grammar: { answer: compiled.grammar },
      });
      // Bytes that are no UTF-8, which only a random model writes, count as more characters than the grammar saw.
      if (done.reason === "length" || text.includes("\ufffd")) continue;
      expect(validateJson(schema, JSON.parse(text)), `${text} for ${JSON.stringify(schema)}`).toBeUndefined();
      complete += 1;
    }
    expect(complete).toBeGreaterThan(SCHEMAS.length / 4);
  });

  test("makes calls of the form that its template has", { timeout: 60_000 }, async () => {
    const parameters = {
      type: "object",
      properties: { mode: { type: "string", enum: ["on", "off"] }, size: { type: "integer", maximum: 9 } },
      required: ["mode", "size"],
    };
    const tool = { type: "function", function: { name: "turn", description: "", parameters } } as const;
    const forms = {
      hermes: /^<tool_call>\s*\{\s*"name"/,
      qwen_xml: /^<tool_call>\s*<function=turn>\n<parameter=mode>\no/,
    };
    for (const [format, form] of Object.entries(forms)) {
      const calls = toCallGrammar([tool], {
        format: format as keyof typeof forms,
        choice: "required",
        parallel: false,
      });
      const { text, done } = await say(engines[name] as Engine, {
        prompt: "Call:",
        sampling: FREE,
        maxTokens: 300,
        ...(calls === undefined ? {} : { grammar: { calls } }),
      });
      expect(text).toMatch(form);
      expect(done.reason).toBe("call_complete");
      expect(text.endsWith("</tool_call>")).toBe(true);
    }
  });
});
