/** Parameters as real tools declare them, and the calls that the grammars of both forms allow. */
import { describe, expect, test } from "vitest";
import { toCallGrammar } from "../../src/engine/schema/call-format.ts";
import type { CallFormat } from "../../src/engine/schema/call-format.ts";
import { createCallWatch } from "../../src/engine/llama/call-watch.ts";
import { compileSchema } from "../../src/engine/schema/compile.ts";
import { accepts, parseGrammar } from "./_gbnf.ts";

/** As servers of the Model Context Protocol send them, made by zod, pydantic, schemars and by hand. */
const PARAMETERS: Record<string, { schema: Record<string, unknown>; good: unknown[]; bad: unknown[] }> = {
  zod: {
    schema: {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      properties: {
        path: { type: "string", description: "Where" },
        edits: {
          type: "array",
          items: {
            type: "object",
            properties: { oldText: { type: "string" }, newText: { type: "string" } },
            required: ["oldText", "newText"],
            additionalProperties: false,
          },
        },
        dryRun: { type: "boolean", default: false },
        head: { type: "integer", exclusiveMinimum: 0, maximum: 9_007_199_254_740_991 },
      },
      required: ["path", "edits"],
      additionalProperties: false,
    },
    good: [
      { path: "a", edits: [] },
      { path: "a", edits: [{ oldText: "x", newText: "y" }], dryRun: true, head: 1 },
    ],
    bad: [{ path: "a" }, { path: "a", edits: [{ oldText: "x" }] }, { path: "a", edits: [], head: 0 }],
  },
  pydantic: {
    schema: {
      $defs: {
        Unit: { enum: ["celsius", "fahrenheit"], title: "Unit", type: "string" },
        Place: {
          properties: {
            lat: { maximum: 90.0, minimum: -90.0, type: "number" },
            name: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
          },
          required: ["lat"],
          title: "Place",
          type: "object",
        },
      },
      properties: {
        place: { $ref: "#/$defs/Place", description: "Where" },
        unit: { anyOf: [{ $ref: "#/$defs/Unit" }, { type: "null" }], default: null },
        since: { format: "date-time", type: "string" },
        extra: { additionalProperties: true, title: "Extra", type: "object" },
      },
      required: ["place"],
      type: "object",
    },
    good: [
      { place: { lat: -12.5, name: null }, unit: null },
      { place: { lat: 1 }, since: "2024-02-29T10:00:00Z", extra: { any: [1] } },
    ],
    bad: [
      { place: { lat: 91 } },
      { place: { lat: 1 }, unit: "kelvin" },
      { place: { lat: 1 }, since: "2023-02-29T10:00:00Z" },
    ],
  },
  schemars: {
    schema: {
      type: "object",
      required: ["action"],
      properties: {
        action: {
          oneOf: [
            { type: "string", enum: ["list"] },
            {
              type: "object",
              required: ["open"],
              properties: { open: { type: "string", format: "uri" } },
              additionalProperties: false,
            },
          ],
        },
        limit: { type: ["integer", "null"], format: "uint32", minimum: 0.0 },
      },
    },
    good: [
      { action: "list", limit: null },
      { action: { open: "https://example.com/a?b=c" }, limit: 4_294_967_295 },
    ],
    bad: [{ action: "open" }, { action: "list", limit: -1 }, { action: "list", limit: 4_294_967_296 }],
  },
  "no parameters": { schema: { type: "object", properties: {} }, good: [{}, { any: 1 }], bad: [[]] },
  nothing: { schema: {}, good: [{}, { any: 1 }, []], bad: [] },
};

describe("the parameters of real tools", () => {
  test.each(Object.entries(PARAMETERS))("made by %s are kept whole", (_, { schema, good, bad }) => {
    const result = compileSchema(schema, { strict: true });
    if (!result.ok) throw new Error(JSON.stringify(result.refusal));
    expect(result.unenforced).toEqual([]);
    const grammar = parseGrammar(result.grammar);
    for (const value of good)
      expect(accepts(grammar, JSON.stringify(value)), JSON.stringify(value)).toBe(true);
    for (const value of bad)
      expect(accepts(grammar, JSON.stringify(value)), JSON.stringify(value)).toBe(false);
  });
});

function callGrammar(format: CallFormat, parameters: Record<string, unknown>) {
  const tool = { type: "function", function: { name: "write", description: "", parameters } } as const;
  const calls = toCallGrammar([tool], { format, choice: "auto", parallel: true });
  if (calls === undefined) throw new Error("no grammar");
  const grammar = parseGrammar(calls.afterOpen);
  return { calls, takes: (text: string) => accepts(grammar, text) };
}

describe("calls in tags of their own", () => {
  const parameters = {
    type: "object",
    properties: {
      text: { type: "string" },
      mode: { type: "string", enum: ["new", "append"] },
      lines: { type: "array", items: { $ref: "#/$defs/line" } },
    },
    required: ["text"],
    $defs: { line: { type: "integer" } },
  };
  const call = (body: string) => `\n<function=write>\n${body}</function>\n</tool_call>`;

  test("have strings as they are and other values as JSON", () => {
    const { takes } = callGrammar("qwen_xml", parameters);
    const text = '<parameter=text>\na "quoted"\n<b>line</b>\n</parameter>\n';
    expect(takes(call(text))).toBe(true);
    expect(
      takes(call(`${text}<parameter=mode>\nappend\n</parameter>\n<parameter=lines>\n[1, 2]\n</parameter>\n`)),
    ).toBe(true);
    expect(takes(call(`${text}<parameter=mode>\nother\n</parameter>\n`))).toBe(false);
    expect(takes(call(`${text}<parameter=lines>\n["1"]\n</parameter>\n`))).toBe(false);
    expect(takes(call(""))).toBe(false);
    expect(takes(call("<parameter=text>\n</tool_call>\n</parameter>\n"))).toBe(false);
  });

  test("end at their closing tag, whatever braces the text has", () => {
    const { calls } = callGrammar("qwen_xml", parameters);
    const watch = createCallWatch(calls);
    const types = Array.from(
      '<tool_call>\n<function=write>\n<parameter=text>\n{"a": [\n</parameter>\n</function>\n</tool_call>',
    )
      .map((piece) => watch.push(piece).type)
      .filter((type) => type !== "none");
    expect(types).toEqual(["opened", "closed"]);
  });

  test("are JSON where a name does not fit into a tag", () => {
    const { takes } = callGrammar("qwen_xml", { properties: { "odd > name": { type: "null" } } });
    expect(takes('{"name":"write","arguments":{"odd > name":null}}</tool_call>')).toBe(true);
  });
});

describe("a tool whose schema cannot be kept", () => {
  test.each<[string, Record<string, unknown>]>([
    ["a reference to elsewhere", { $ref: "https://example.com" }],
    ["an argument that nothing fits", { properties: { a: { enum: [] } }, required: ["a"] }],
  ])("because of %s still has calls of the right form", (_, parameters) => {
    const { takes } = callGrammar("hermes", parameters);
    expect(takes('{"name": "write", "arguments": {"a": 1}}</tool_call>')).toBe(true);
    expect(takes('{"name": "write", "arguments": 1}</tool_call>')).toBe(false);
  });
});
