import { describe, expect, it } from "vitest";
import type { JsonSchema } from "../../src/core/tool.ts";
import { parseDeclaration } from "../../src/tools/custom/index.ts";
import { checkArguments } from "../../src/tools/custom/check-arguments.ts";

const refusal = (value: unknown): string => {
  const parsed = parseDeclaration(value);
  return parsed.ok ? "" : parsed.error;
};

const withParameters = (parameters: unknown) => ({ description: "x", parameters });
const withProperties = (properties: unknown) => withParameters({ type: "object", properties });

describe("what a tool says about itself", () => {
  it("becomes its description, its parameters and its time limit", () => {
    const parameters = {
      type: "object",
      properties: {
        city: { type: "string", description: "where" },
        unit: { type: "string", enum: ["C", "F"] },
        days: { type: "integer" },
        tags: { type: "array", items: { type: "string" } },
      },
      required: ["city"],
    };
    expect(parseDeclaration({ description: "Weather", parameters, timeoutSeconds: 60 })).toEqual({
      ok: true,
      declaration: { description: "Weather", parameters, timeoutMs: 60_000 },
    });
  });

  it("needs only a description", () => {
    expect(parseDeclaration({ description: "x" })).toEqual({
      ok: true,
      declaration: { description: "x", parameters: { type: "object", properties: {} }, timeoutMs: 30_000 },
    });
  });

  it("loses bounds, which the tool can check itself", () => {
    const parsed = parseDeclaration(
      withProperties({ days: { type: "integer", minimum: 1, maximum: 5, default: 3, title: "Days" } }),
    );
    expect(parsed).toMatchObject({
      ok: true,
      declaration: { parameters: { type: "object", properties: { days: { type: "integer" } } } },
    });
  });

  it("is one short line without hidden signs", () => {
    const parsed = parseDeclaration({
      description: `a\u001b]52;c;AAAA\u0007\nb\u202ec\u{e0041}\u200b ${"long ".repeat(1e5)}`,
    });
    const description = parsed.ok ? parsed.declaration.description : "";
    expect(description).toMatch(/^a \]52;c;AAAA bc long long/);
    expect(description.length).toBeLessThanOrEqual(300);
  });

  it.each([
    [undefined, "the declaration must be an object"],
    [[], "the declaration must be an object"],
    [{}, "`description` is missing"],
    [{ description: "\u200b \n" }, "`description` is missing"],
    [{ description: { toString: (): string => "x" } }, "`description` is missing"],
    [withParameters("x"), "`parameters` must be an object"],
    [withParameters({}), '`parameters` must be a JSON Schema with type: "object"'],
    [withParameters({ type: "object", properties: [] }), "`parameters.properties` must be an object"],
    [withParameters({ type: "object", $ref: "#" }), '`parameters` uses "$ref"'],
    [withParameters({ type: "object", patternProperties: {} }), '`parameters` uses "patternProperties"'],
    [withParameters({ type: "object", required: ["x"] }), "`required` must be a list of names"],
    [withParameters({ type: "object", required: ["toString"] }), "`required` must be a list of names"],
    [withProperties({ a: { type: "string", pattern: "^(a+)+$" } }), '`a` uses "pattern"'],
    [withProperties({ a: { $ref: "#/x" } }), '`a` uses "$ref"'],
    [withProperties({ a: { oneOf: [] } }), '`a` uses "oneOf"'],
    [withProperties({ a: { type: "object" } }), "`a` must have one of the types"],
    [withProperties({ a: { type: ["string", "null"] } }), "`a` must have one of the types"],
    [withProperties({ a: {} }), "`a` must have one of the types"],
    [withProperties({ a: null }), "`a` must be an object"],
    [
      withProperties({ a: { type: "array", items: { type: "array" } } }),
      "the items of `a` must have one of the types string, integer, number, boolean",
    ],
    [withProperties({ a: { type: "integer", enum: [1] } }), "the enum of `a` must be a list"],
    [withProperties({ a: { enum: [] } }), "the enum of `a` must be a list"],
    [withProperties({ a: { enum: ["\u202e"] } }), "the enum of `a` must be a list"],
    [withProperties({ constructor: { type: "string" } }), 'the parameter name "constructor" cannot be used'],
    [withProperties(JSON.parse('{"__proto__":{"type":"string"}}')), 'the parameter name "__proto__"'],
    [withProperties({ "a b": { type: "string" } }), 'the parameter name "a b" cannot be used'],
    [{ description: "x", timeoutSeconds: 121 }, "`timeoutSeconds` must be a number from 1 to 120"],
    [{ description: "x", timeoutSeconds: Number.NaN }, "`timeoutSeconds` must be a number from 1 to 120"],
    [{ description: "x", timeoutSeconds: "5" }, "`timeoutSeconds` must be a number from 1 to 120"],
  ])("is refused in words when it cannot be used: %j", (value, error) => {
    expect(refusal(value)).toContain(error);
  });

  it("is refused when it is large or deep", () => {
    const many = Object.fromEntries(
      Array.from({ length: 1e5 }, (_, index) => [`p${index}`, { type: "string" }]),
    );
    expect(refusal(withProperties(many))).toContain("100000 properties, at most 20");
    const wordy = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [
        `p${index}`,
        { enum: Array.from({ length: 50 }, (_, at) => `${"v".repeat(90)}${at}`) },
      ]),
    );
    expect(refusal(withProperties(wordy))).toMatch(/has \d+ bytes, at most 4096/);
    const deep = JSON.parse(`${'{"items":'.repeat(1e6)}1${"}".repeat(1e6)}`) as unknown;
    expect(refusal(withParameters(deep))).toContain('`parameters` uses "items"');
    expect(refusal(withProperties({ a: deep }))).toContain("`a` must have one of the types");
    expect(refusal(withProperties({ a: { type: "array", items: deep } }))).toContain("the items of `a`");
  });
});

describe("the arguments of a call", () => {
  const parameters: JsonSchema = {
    type: "object",
    properties: {
      city: { type: "string" },
      unit: { type: "string", enum: ["C", "F"] },
      days: { type: "integer" },
      factor: { type: "number" },
      exact: { type: "boolean" },
      tags: { type: "array", items: { type: "integer" } },
    },
    required: ["city"],
  };

  it.each([
    [{ city: "Bonn" }, { city: "Bonn" }],
    [
      { city: 5, days: "3", exact: "true" },
      { city: "5", days: 3, exact: true },
    ],
    [{ city: "Bonn", unit: null, unknown: 1 }, { city: "Bonn" }],
    [
      { city: "Bonn", unit: "F", factor: 0.5, tags: [1, 2] },
      { city: "Bonn", unit: "F", factor: 0.5, tags: [1, 2] },
    ],
  ])("are taken as they are plainly meant: %j", (input, expected) => {
    expect(checkArguments(parameters, input)).toEqual({ ok: true, arguments: expected });
  });

  it.each([
    [undefined, "`city` is missing"],
    [{ city: null }, "`city` is missing"],
    [[], "the arguments must be a JSON object"],
    ["x", "the arguments must be a JSON object"],
    [{ city: {} }, "`city` must be a text, not {}"],
    [{ city: "x", unit: "K" }, '`unit` must be one of C, F, not "K"'],
    [{ city: "x", days: 1.5 }, "`days` must be a whole number, not 1.5"],
    [{ city: "x", days: 1e300 }, "`days` must be a whole number, not 1e+300"],
    [{ city: "x", factor: "much" }, '`factor` must be a number, not "much"'],
    [{ city: "x", exact: 1 }, "`exact` must be true or false, not 1"],
    [{ city: "x", tags: ["a"] }, '`tags` must be a list of integer, not ["a"]'],
    [JSON.parse('{"__proto__":{"city":"x"}}'), "`city` is missing"],
  ])("are refused with what was wrong and the whole form: %j", (input, error) => {
    expect(checkArguments(parameters, input)).toEqual({
      ok: false,
      error: `Invalid arguments: ${error}. Expected {city: string, unit?: string, days?: integer, factor?: number, exact?: boolean, tags?: array}.`,
    });
  });
});
