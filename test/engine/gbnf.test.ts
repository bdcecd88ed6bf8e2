import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createGrammarBuilder } from "../../src/engine/gbnf.ts";
import { accepts, derive, parseGrammar } from "./_gbnf.ts";

type Schema = Record<string, unknown>;

function grammarOf(schema: Schema): ReturnType<typeof parseGrammar> {
  const builder = createGrammarBuilder();
  const root = builder.schema(schema, "args");
  return parseGrammar(builder.toText(root));
}

function isAccepted(schema: Schema, value: unknown): boolean {
  return accepts(grammarOf(schema), JSON.stringify(value));
}

/** Schemas as tools have them, each with a way to make a valid value. */
const leaf: fc.Arbitrary<{ schema: Schema; value: fc.Arbitrary<unknown> }> = fc.oneof(
  fc.constant({ schema: { type: "string" }, value: fc.string({ unit: "grapheme", maxLength: 12 }) }),
  fc.constant({ schema: { type: "integer" }, value: fc.integer() }),
  fc.constant({ schema: { type: "number" }, value: fc.integer({ min: -9999, max: 9999 }).map((n) => n / 8) }),
  fc.constant({ schema: { type: "boolean" }, value: fc.boolean() }),
  fc.constant({ schema: {}, value: fc.jsonValue({ maxDepth: 2 }).map((v) => toFinite(v)) }),
  fc
    .uniqueArray(fc.oneof(fc.string({ maxLength: 6 }), fc.integer(), fc.constant(null)), {
      minLength: 1,
      maxLength: 4,
    })
    .map((values) => ({ schema: { enum: values }, value: fc.constantFrom(...values) })),
  fc.constant({ schema: { anyOf: [{ type: "null" }, { type: "integer" }] }, value: fc.option(fc.integer()) }),
  fc.constant({ schema: { type: ["string", "null"] }, value: fc.option(fc.string({ maxLength: 4 })) }),
);

/** Numbers with very long exponents are no use to a tool, and the grammar bounds them. */
function toFinite(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, inner: unknown) =>
    typeof inner === "number" ? Math.round(inner % 1e6) : inner,
  ) as unknown;
}

const { node } = fc.letrec<{ node: { schema: Schema; value: fc.Arbitrary<unknown> } }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    leaf,
    tie("node").map(({ schema, value }) => ({
      schema: { type: "array", items: schema },
      value: fc.array(value, { maxLength: 3 }),
    })),
    fc
      .uniqueArray(fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), tie("node"), fc.boolean()), {
        maxLength: 7,
        selector: ([key]) => key,
      })
      .map(toObjectSchema),
  ),
}));

function toObjectSchema(entries: [string, { schema: Schema; value: fc.Arbitrary<unknown> }, boolean][]) {
  const usable = entries.filter(([key]) => key !== "__proto__");
  const properties = Object.fromEntries(usable.map(([key, { schema }]) => [key, schema]));
  const required = usable.filter(([, , isRequired]) => isRequired).map(([key]) => key);
  const values = Object.fromEntries(usable.map(([key, { value }]) => [key, value]));
  const value =
    usable.length === 0
      ? fc.constant({})
      : fc.record(values, { requiredKeys: required, noNullPrototype: true });
  return { schema: { type: "object", properties, required }, value };
}

/** Checks a value against the keywords that the converter promises to keep. Written apart from the converter. */
function isValid(schema: Schema, value: unknown): boolean {
  if (Array.isArray(schema["enum"]))
    return schema["enum"].some((one) => JSON.stringify(one) === JSON.stringify(value));
  if (Array.isArray(schema["anyOf"])) return schema["anyOf"].some((one) => isValid(one as Schema, value));
  if (Array.isArray(schema["type"]))
    return schema["type"].some((type) => isValid({ ...schema, type: type as unknown }, value));
  switch (schema["type"]) {
    case "array":
      return Array.isArray(value) && value.every((one) => isValid((schema["items"] ?? {}) as Schema, one));
    case "object":
      return isValidObject(schema, value);
    case "integer":
      return Number.isInteger(value);
    case "null":
      return value === null;
    case undefined:
      return true;
    default:
      return typeof value === schema["type"];
  }
}

function isValidObject(schema: Schema, value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const properties = (schema["properties"] ?? {}) as Record<string, Schema>;
  if (Object.keys(properties).length === 0) return true;
  const known = Object.entries(value).every(
    ([key, one]) => Object.hasOwn(properties, key) && isValid({ ...properties[key] }, one),
  );
  return known && (schema["required"] as string[]).every((key) => Object.hasOwn(value, key));
}

describe("the grammar of a schema", () => {
  test("accepts every valid value", () => {
    const cases = node.chain(({ schema, value }) => fc.tuple(fc.constant(schema), value));
    fc.assert(
      fc.property(cases, ([schema, value]) => {
        expect(isAccepted(schema, declaredOrderOf(schema, value))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test("writes only valid values", () => {
    fc.assert(
      fc.property(node, fc.infiniteStream(fc.nat()), ({ schema }, numbers) => {
        const text = derive(grammarOf(schema), (count) => (numbers.next().value as number) % count);
        expect(isValid(schema, JSON.parse(text))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test("lets a few properties come in any order, and each only once", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" }, c: { type: "integer" } },
      required: ["a", "b"],
    };
    for (const text of ['{"a": 1, "b": 2}', '{"b":2,"a":1}', '{"c": 3, "b": 2, "a": 1}'])
      expect(accepts(grammarOf(schema), text)).toBe(true);
    for (const text of ['{"a": 1}', '{"a": 1, "b": 2, "a": 3}', "{}", '{"a": 1, "b": 2,}'])
      expect(accepts(grammarOf(schema), text)).toBe(false);
  });

  test("keeps required properties and leaves out optional ones in a large object", () => {
    const names = ["a", "b", "c", "d", "e", "f", "g"];
    const schema = {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, { type: "boolean" }])),
      required: ["c"],
    };
    expect(isAccepted(schema, { c: true })).toBe(true);
    expect(isAccepted(schema, { a: true, c: true, g: false })).toBe(true);
    expect(isAccepted(schema, { a: true, g: false })).toBe(false);
    expect(isAccepted(schema, {})).toBe(false);
  });

  test("refuses unknown properties, wrong types and values outside an enum", () => {
    const schema = {
      type: "object",
      properties: { mode: { enum: ["on", "off"] }, size: { type: "integer" } },
      required: [],
    };
    expect(isAccepted(schema, { mode: "on", size: -3 })).toBe(true);
    expect(isAccepted(schema, { mode: "up" })).toBe(false);
    expect(isAccepted(schema, { size: "3" })).toBe(false);
    expect(isAccepted(schema, { size: 1.5 })).toBe(false);
    expect(isAccepted(schema, { other: 1 })).toBe(false);
  });

  test("follows references into the same schema, also to itself", () => {
    const schema = {
      $defs: {
        tree: {
          type: "object",
          properties: {
            name: { type: "string" },
            children: { type: "array", items: { $ref: "#/$defs/tree" } },
          },
          required: ["name"],
        },
      },
      $ref: "#/$defs/tree",
    };
    expect(isAccepted(schema, { name: "a", children: [{ name: "b", children: [] }] })).toBe(true);
    expect(isAccepted(schema, { name: "a", children: [{ children: [] }] })).toBe(false);
  });

  test("takes any JSON value where it does not understand the schema", () => {
    for (const schema of [
      { allOf: [{ type: "string" }] },
      { $ref: "https://example.com/schema" },
      { $ref: "#/$defs/missing" },
      { type: "odd" },
      { not: {} },
    ]) {
      expect(isAccepted(schema, { any: ["thing", 1, null] })).toBe(true);
    }
    expect(isAccepted({ type: "object" }, { free: 1 })).toBe(true);
    expect(isAccepted({ type: "object", additionalProperties: { type: "integer" } }, { free: 1 })).toBe(true);
    expect(isAccepted({ type: "object", additionalProperties: { type: "integer" } }, { free: "x" })).toBe(
      false,
    );
  });

  test("survives names that are no rule names, and quotes in keys", () => {
    const schema = {
      type: "object",
      properties: {
        'a "b"\n': { type: "string" },
        "ä ö": { enum: ['"\\'] },
        root: { type: "null" },
        value: { type: "null" },
      },
      required: [],
    };
    expect(isAccepted(schema, { 'a "b"\n': "x", "ä ö": '"\\', root: null, value: null })).toBe(true);
  });
});

/** Large objects keep the declared order, so the sample has to follow it. */
function declaredOrderOf(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value))
    return value.map((one) => declaredOrderOf((schema["items"] ?? {}) as Schema, one));
  const properties = schema["properties"] as Record<string, Schema> | undefined;
  if (properties === undefined || typeof value !== "object" || value === null) return value;
  const source = value as Record<string, unknown>;
  const keys = Object.keys(properties).filter((key) => Object.hasOwn(source, key));
  return Object.fromEntries(keys.map((key) => [key, declaredOrderOf({ ...properties[key] }, source[key])]));
}
