import { describe, expect, test } from "vitest";
import { validateJson } from "../../src/engine/schema/compile.ts";

describe("checking a value against its schema", () => {
  test.each<[string, unknown, unknown, string, string]>([
    ["a missing key", { required: ["a"] }, {}, "#", "required"],
    [
      "a wrong type deep inside",
      { properties: { a: { items: { type: "string" } } } },
      { a: ["x", 1] },
      "#/a/1",
      "type",
    ],
    [
      "an item twice",
      { uniqueItems: true },
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      "#",
      "uniqueItems",
    ],
    ["an item that is nowhere", { contains: { type: "null" } }, [1], "#", "contains"],
    [
      "too many items that fit",
      { contains: { type: "null" }, maxContains: 1 },
      [null, null],
      "#",
      "contains",
    ],
    ["two alternatives at once", { oneOf: [{ minimum: 1 }, { type: "integer" }] }, 2, "#", "oneOf"],
    ["no alternative", { anyOf: [{ type: "null" }, { type: "string" }] }, 2, "#", "anyOf"],
    ["what must not fit", { not: { type: "integer" } }, 2, "#", "not"],
    [
      "a key too many",
      { properties: { a: true }, additionalProperties: false },
      { a: 1, "b/c": 2 },
      "#/b~1c",
      "additionalProperties",
    ],
    [
      "a member that nothing looked at",
      { allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
      { a: 1, b: 2 },
      "#/b",
      "unevaluatedProperties",
    ],
    [
      "an item that nothing looked at",
      { prefixItems: [true], unevaluatedItems: false },
      [1, 2],
      "#/1",
      "unevaluatedItems",
    ],
    ["a name that is too long", { propertyNames: { maxLength: 2 } }, { abc: 1 }, "#/abc", "propertyNames"],
    ["a text that does not match", { pattern: "^a(?:a|aa)+$" }, `${"a".repeat(60)}b`, "#", "pattern"],
    ["no multiple", { multipleOf: 0.01 }, 0.075, "#", "multipleOf"],
    ["a dependent key", { dependencies: { a: ["b"] } }, { a: 1 }, "#", "dependencies"],
  ])("finds %s", (_, schema, value, ...[path, keyword]) => {
    expect(validateJson(schema, value)).toMatchObject({
      path,
      keyword,
      message: expect.stringMatching(/\w/) as string,
    });
  });

  test.each<[string, unknown, unknown]>([
    ["a multiple in decimals", { multipleOf: 0.1 }, 0.3],
    [
      "members that some branch looked at",
      { anyOf: [{ properties: { a: true } }, true], unevaluatedProperties: false },
      { a: 1 },
    ],
    ["a code point of two units", { maxLength: 1 }, "\u{1F600}"],
    ["equality whatever the order of keys", { const: { a: 1, b: [2] } }, { b: [2], a: 1 }],
    ["draft 4's exclusive bounds", { minimum: 1, exclusiveMinimum: false }, 1],
  ])("takes %s", (_, schema, value) => {
    expect(validateJson(schema, value)).toBeUndefined();
  });

  test("does not run a pattern of the schema as a regular expression", () => {
    const startedAt = performance.now();
    expect(validateJson({ pattern: "^(a+)+$" }, `${"a".repeat(20_000)}b`)?.keyword).toBe("pattern");
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  test("ends on a schema that leads back to itself", () => {
    expect(validateJson({ $ref: "#" }, 1)?.message).toContain("cannot be checked");
  });
});
