/** Random JSON schemas of any keywords beside each other, sensible or not. */
import * as fc from "../_property.ts";
import type { Schema } from "./_schemas.ts";

const small = fc.nat(4);
const word = fc.constantFrom("a", "b", "c", "x-1", "constructor");
const type = fc.constantFrom("null", "boolean", "integer", "number", "string", "array", "object");
const value = fc.constantFrom<unknown>(
  null,
  true,
  0,
  1,
  -2.5,
  3,
  "a",
  "abc",
  "x-1",
  [],
  [1, "a"],
  {},
  { a: 1 },
  { a: "a", b: 2 },
);

/** Any keywords beside each other, sensible or not. */
export const { anySchema } = fc.letrec<{ anySchema: Schema | boolean }>((tie) => {
  const inner = tie("anySchema");
  const list = fc.array(inner, { minLength: 1, maxLength: 3 });
  const map = fc.dictionary(word, inner, { maxKeys: 3, noNullPrototype: true });
  const keywords: Record<string, fc.Arbitrary<unknown>> = {
    type: fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 })),
    enum: fc.array(value, { minLength: 1, maxLength: 4 }),
    const: value,
    minimum: fc.integer({ min: -5, max: 5 }),
    maximum: fc.constantFrom(-1, 2.5, 7, 100),
    exclusiveMinimum: fc.constantFrom(-3, 0, 0.5),
    exclusiveMaximum: fc.constantFrom(1, 10, 33.3),
    multipleOf: fc.constantFrom(1, 2, 3, 0.5, 0.1),
    minLength: small,
    maxLength: small,
    pattern: fc.constantFrom("^a", "b$", "^[a-c]*$", "x", "^(?!a)"),
    format: fc.constantFrom("date", "uuid", "ipv4", "hostname", "duration", "json-pointer", "uri-reference"),
    minItems: small,
    maxItems: small,
    items: inner,
    prefixItems: list,
    uniqueItems: fc.boolean(),
    properties: map,
    required: fc.uniqueArray(word, { maxLength: 2 }),
    additionalProperties: inner,
    patternProperties: fc.dictionary(fc.constantFrom("^x-", "^[ab]", "r$"), inner, {
      maxKeys: 2,
      noNullPrototype: true,
    }),
    propertyNames: inner,
    minProperties: small,
    maxProperties: small,
    dependentRequired: fc.dictionary(word, fc.uniqueArray(word, { maxLength: 2 }), {
      maxKeys: 2,
      noNullPrototype: true,
    }),
    dependentSchemas: map,
    anyOf: list,
    oneOf: list,
    allOf: list,
    not: inner,
    if: inner,
    // oxlint-disable-next-line no-thenable -- a keyword of JSON Schema
    then: inner,
    else: inner,
    unevaluatedProperties: inner,
    $ref: fc.constantFrom("#", "#/$defs/one", "#/$defs/two"),
  };
  const one = fc.oneof(
    ...Object.entries(keywords).map(([name, of]) => of.map((value) => [name, value] as const)),
  );
  const chosen = fc.array(one, { minLength: 1, maxLength: 4 }).map((all) => Object.fromEntries(all));
  return {
    anySchema: fc.oneof(
      { maxDepth: 3, depthSize: "small", withCrossShrink: true },
      fc.boolean(),
      chosen,
      chosen,
      chosen,
    ) as fc.Arbitrary<Schema | boolean>,
  };
});
