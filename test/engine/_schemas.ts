/** Random JSON schemas for tests: some with a way to make values that fit, some of any keywords at all. */
import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";
import * as fc from "../_property.ts";

export type Schema = Record<string, unknown>;

/** The independent judge. `undefined`: it cannot read the schema. */
export function createJudge(schema: unknown): ((value: unknown) => boolean) | undefined {
  const ajv = new Ajv2020({
    strict: false,
    multipleOfPrecision: 6,
    ownProperties: true,
    logger: false,
    validateSchema: false,
  });
  (addFormats as unknown as (one: Ajv2020) => void)(ajv);
  try {
    const check = ajv.compile(schema as Schema);
    return (value) => check(value);
  } catch {
    return undefined;
  }
}

export interface Pair {
  schema: Schema;
  /** Values that fit, as the grammar spells them: declared keys first, in their order. */
  value: fc.Arbitrary<unknown>;
  /** For `$ref`. */
  definitions: Record<string, Schema>;
}

const plain = (schema: Schema, value: fc.Arbitrary<unknown>): Pair => ({ schema, value, definitions: {} });

/** Without the surrogates that stand alone, and without keys that JavaScript puts first. */
const text = fc.string({ unit: "binary", maxLength: 8 });
const key = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }),
    fc.constantFrom("constructor", "toString", 'a"b', "x-y"),
  )
  .map((one) => (/^\d+$/.test(one) || one === "__proto__" ? `k${one}` : one));

/** Doubles that JSON writes without an exponent. */
const plainNumber = fc.oneof(
  fc.integer({ min: -2000, max: 2000 }).map((n) => n / 8),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }).filter((n) => Math.abs(n) > 1e-4),
);

const strings: fc.Arbitrary<Pair>[] = [
  fc.tuple(fc.nat(5), fc.nat(6)).map(([min, more]) =>
    plain(
      { type: "string", minLength: min, maxLength: min + more },
      fc
        .array(fc.string({ unit: "binary", minLength: 1, maxLength: 1 }), {
          minLength: min,
          maxLength: min + more,
        })
        .map((all) => all.join("")),
    ),
  ),
  fc
    .constantFrom(
      "^[a-z]{2,5}$",
      "^\\d+(\\.\\d{1,3})?$",
      "^(foo|ba[rz])+$",
      "x[0-9a-f]{2}",
      "^$|^/",
      '^[^"\\\\]*$',
      "^\\w+@\\w+$",
      "[\\n\\t]$",
      "^é\\u{1F600}?$",
    )
    .map((pattern) =>
      plain(
        { type: "string", pattern },
        fc.stringMatching(new RegExp(pattern, "u")).filter((one) => !/\p{Surrogate}/u.test(one)),
      ),
    ),
  fc.constant(plain({ type: "string", format: "uuid" }, fc.uuid())),
  fc.constant(plain({ type: "string", format: "ipv4" }, fc.ipV4())),
  fc.constant(plain({ type: "string", format: "ipv6" }, fc.ipV6())),
  fc.constant(
    plain(
      { type: "string", format: "date" },
      toDate((date) => date.toISOString().slice(0, 10)),
    ),
  ),
  fc.constant(
    plain(
      { type: "string", format: "date-time" },
      toDate((date) => date.toISOString()),
    ),
  ),
  fc.constant(
    plain(
      { type: "string", format: "time" },
      toDate((date) => date.toISOString().slice(11)),
    ),
  ),
  fc.constant(plain({ type: "string", format: "email" }, fc.emailAddress())),
  fc.constant(plain({ type: "string", format: "uri" }, fc.webUrl())),
  fc.constant(
    plain(
      { type: "string", pattern: "^[a-c]*$", minLength: 1, maxLength: 4 },
      fc.stringMatching(/^[a-c]{1,4}$/),
    ),
  ),
];

function toDate(write: (date: Date) => string): fc.Arbitrary<string> {
  return fc
    .date({
      min: new Date("0001-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59Z"),
      noInvalidDate: true,
    })
    .map(write);
}

const numbers: fc.Arbitrary<Pair>[] = [
  fc
    .tuple(fc.integer(), fc.nat(100_000))
    .map(([min, more]) =>
      plain({ type: "integer", minimum: min, maximum: min + more }, fc.integer({ min, max: min + more })),
    ),
  fc
    .tuple(fc.integer({ min: -50, max: 50 }), fc.boolean())
    .map(([bound, above]) =>
      plain(
        { type: "integer", [above ? "exclusiveMinimum" : "exclusiveMaximum"]: bound },
        above ? fc.integer({ min: bound + 1 }) : fc.integer({ max: bound - 1 }),
      ),
    ),
  fc.tuple(plainNumber, plainNumber, plainNumber, fc.boolean()).map(([a, b, c, exclusive]) => {
    const [low, middle, high] = [a, b, c].sort((one, other) => one - other) as [number, number, number];
    const inside = low < middle && middle < high;
    const schema =
      exclusive && inside
        ? { type: "number", exclusiveMinimum: low, exclusiveMaximum: high }
        : { type: "number", minimum: low, maximum: high };
    return plain(schema, fc.constantFrom(middle, ...(exclusive && inside ? [] : [low, high])));
  }),
  fc.tuple(fc.constantFrom(2, 3, 7, 10, 25, 144), fc.nat(3000)).map(([step, max]) =>
    plain(
      { type: "integer", multipleOf: step, minimum: -max, maximum: max },
      fc
        .integer({ min: -Math.floor(max / step), max: Math.floor(max / step) })
        .map((n) => (n === 0 ? 0 : n * step)),
    ),
  ),
  fc.constantFrom([100, 0.01], [10, 0.1], [4, 0.25], [2, 1.5]).map(([divisor, step]) =>
    plain(
      { type: "number", multipleOf: step },
      fc
        .integer({ min: -9999, max: 9999 })
        .map((n) => (step === 1.5 ? n * 1.5 : n / (divisor as number)) + 0),
    ),
  ),
  fc.constant(
    plain(
      { type: "number" },
      fc
        .double({ noNaN: true, noDefaultInfinity: true, min: -1e200, max: 1e200 })
        .map((n) => (Math.abs(n) < 1e-200 ? 0 : n)),
    ),
  ),
  fc.constant(plain({ type: "integer" }, fc.integer())),
];

/** Finite, without minus zero, which JSON does not keep. */
const anyJson = fc
  .jsonValue({ maxDepth: 2 })
  .map(
    (value) =>
      JSON.parse(JSON.stringify(value), (_, inner: unknown) =>
        typeof inner === "number" ? Math.round(inner % 1e6) + 0 : inner,
      ) as unknown,
  );

const leaf: fc.Arbitrary<Pair> = fc.oneof(
  ...strings,
  ...numbers,
  fc.constant(plain({ type: "boolean" }, fc.boolean())),
  fc.constant(plain({ type: "null" }, fc.constant(null))),
  fc.constant(plain({}, anyJson)),
  fc.constant(plain({ type: "string" }, text)),
  fc
    .uniqueArray(anyJson, { minLength: 1, maxLength: 6, selector: (one) => JSON.stringify(one) })
    .map((values) => plain({ enum: values }, fc.constantFrom(...values))),
  anyJson.map((value) => plain({ const: value }, fc.constant(value))),
  fc.constant(plain({ type: ["string", "null"] }, fc.option(text))),
  fc.constant(plain({ type: "integer", nullable: true }, fc.option(fc.integer()))),
  fc.constant(plain({ type: "array" }, fc.array(anyJson, { maxLength: 3 }))),
  fc.constant(plain({ type: "object" }, fc.dictionary(key, anyJson, { maxKeys: 3, noNullPrototype: true }))),
);

function merged(...pairs: readonly Pair[]): Record<string, Schema> {
  return Object.assign({}, ...pairs.map(({ definitions }) => definitions)) as Record<string, Schema>;
}

export const { pair } = fc.letrec<{ pair: Pair }>((tie) => ({
  pair: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    leaf,
    leaf,
    toArray(tie("pair")),
    toTuple(tie("pair")),
    toObject(tie("pair")),
    toMap(tie("pair")),
    toUnion(tie("pair")),
    toReference(tie("pair")),
    toJoined(tie("pair")),
  ),
}));

function toArray(inner: fc.Arbitrary<Pair>): fc.Arbitrary<Pair> {
  return fc
    .tuple(inner, fc.nat(2), fc.option(fc.nat(3), { nil: undefined }))
    .map(([{ schema, value, definitions }, min, more]) => ({
      schema: {
        type: "array",
        items: schema,
        minItems: min,
        ...(more === undefined ? {} : { maxItems: min + more }),
      },
      value: fc.array(value, { minLength: min, maxLength: min + (more ?? 2) }),
      definitions,
    }));
}

function toTuple(inner: fc.Arbitrary<Pair>): fc.Arbitrary<Pair> {
  return fc.tuple(fc.array(inner, { minLength: 1, maxLength: 3 }), fc.boolean()).map(([pairs, closed]) => ({
    schema: {
      type: "array",
      prefixItems: pairs.map(({ schema }) => schema),
      ...(closed ? { items: false } : {}),
    },
    value: fc
      .tuple(fc.tuple(...pairs.map(({ value }) => value)), fc.nat(3))
      .map(([all, count]) => (closed ? all.slice(0, count) : all)),
    definitions: merged(...pairs),
  }));
}

interface Entry {
  name: string;
  pair: Pair;
  required: boolean;
}

function toObject(inner: fc.Arbitrary<Pair>): fc.Arbitrary<Pair> {
  const entry: fc.Arbitrary<Entry> = fc.record({ name: key, pair: inner, required: fc.boolean() });
  return fc
    .tuple(
      fc.uniqueArray(entry, { maxLength: 8, selector: ({ name }) => name }),
      fc.constantFrom("absent", "closed", "open"),
    )
    .map(([entries, extra]) => {
      const properties = Object.fromEntries(entries.map(({ name, pair }) => [name, pair.schema]));
      const required = entries.filter((one) => one.required).map(({ name }) => name);
      const values = fc.tuple(
        ...entries.map(({ pair, required }) =>
          fc.tuple(pair.value, required ? fc.constant(true) : fc.boolean()),
        ),
      );
      const extras =
        extra === "open"
          ? fc.dictionary(key, fc.boolean(), { maxKeys: 2, noNullPrototype: true })
          : fc.constant({});
      const additional =
        extra === "absent" ? {} : { additionalProperties: extra === "open" ? { type: "boolean" } : false };
      return {
        schema: { type: "object", properties, required, ...additional },
        value: fc.tuple(values, extras).map(([all, more]) => {
          const own = entries.flatMap(({ name }, at) => (all[at]?.[1] ? [[name, all[at][0]]] : []));
          const others = Object.entries(more).filter(([name]) => !Object.hasOwn(properties, name));
          return Object.fromEntries([...own, ...others]) as unknown;
        }),
        definitions: merged(...entries.map(({ pair }) => pair)),
      };
    });
}

function toMap(inner: fc.Arbitrary<Pair>): fc.Arbitrary<Pair> {
  return fc.tuple(inner, inner, fc.nat(2)).map(([one, other, min]) => ({
    schema: {
      type: "object",
      patternProperties: { "^x-": one.schema },
      additionalProperties: other.schema,
      propertyNames: { maxLength: 8 },
      minProperties: min,
      maxProperties: min + 2,
    },
    value: fc
      .tuple(
        fc.array(one.value, { minLength: min, maxLength: min + 1 }),
        fc.option(other.value, { nil: undefined }),
      )
      .map(
        ([all, more]) =>
          Object.fromEntries([
            ...all.map((value, at) => [`x-${at}`, value]),
            ...(more === undefined ? [] : [["other", more]]),
          ]) as unknown,
      ),
    definitions: merged(one, other),
  }));
}

function toUnion(inner: fc.Arbitrary<Pair>): fc.Arbitrary<Pair> {
  return fc.array(inner, { minLength: 1, maxLength: 3 }).map((pairs) => ({
    schema: { anyOf: pairs.map(({ schema }) => schema) },
    value: fc.oneof(...pairs.map(({ value }) => value)),
    definitions: merged(...pairs),
  }));
}

function toReference(inner: fc.Arbitrary<Pair>): fc.Arbitrary<Pair> {
  return inner.map(({ schema, value, definitions }) => {
    const name = `d/${JSON.stringify(schema).slice(0, 400)}`;
    const pointer = encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"));
    return { schema: { $ref: `#/$defs/${pointer}` }, value, definitions: { ...definitions, [name]: schema } };
  });
}

/** `allOf` of a schema and bounds that its values keep anyway. */
function toJoined(inner: fc.Arbitrary<Pair>): fc.Arbitrary<Pair> {
  const harmless = fc.constantFrom<Schema>(
    { maxLength: 5000 },
    { minimum: -1e210 },
    { maxItems: 900 },
    { not: { type: "string", const: "\u0000never" } },
    { maxProperties: 500 },
    { anyOf: [{ type: ["string", "number", "null"] }, { type: ["object", "array", "boolean"] }] },
    // oxlint-disable-next-line no-thenable -- a keyword of JSON Schema
    { if: { type: "string" }, then: { maxLength: 4000 }, else: { maxItems: 800 } },
    true as unknown as Schema,
  );
  return fc.tuple(inner, harmless, fc.boolean()).map(([{ schema, value, definitions }, other, beside]) => ({
    schema: beside && typeof other === "object" ? { ...other, allOf: [schema] } : { allOf: [other, schema] },
    value: value.filter(
      (one) =>
        typeof one !== "number" || !/e/.test(String(one)) || !JSON.stringify(other).includes("minimum"),
    ),
    definitions,
  }));
}

export function toDocument({ schema, definitions }: Pair): Schema {
  return Object.keys(definitions).length === 0 ? schema : { ...schema, $defs: definitions };
}
