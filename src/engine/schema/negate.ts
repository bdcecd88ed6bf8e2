/** What fits where a schema does not: the negation of each keyword in turn, as far as keywords can say it. */
import type { Context } from "./context.ts";
import { readTypes, TYPES, pointer } from "./node.ts";
import type { Item, SchemaObject } from "./node.ts";

/** Values that do not fit; a symbol, so that no schema from outside can have it. */
export const EXCLUDED = Symbol("excluded values");
/** A pattern that must not match. */
export const UNMATCHED = Symbol("unmatched pattern");

export interface DerivedSchema extends SchemaObject {
  readonly [EXCLUDED]?: readonly unknown[];
  readonly [UNMATCHED]?: string;
}

/** Keywords that say nothing about the value. */
const ANNOTATIONS = new Set([
  "title",
  "description",
  "default",
  "examples",
  "example",
  "deprecated",
  "readOnly",
  "writeOnly",
  "$comment",
  "$schema",
  "$id",
  "$anchor",
  "$defs",
  "definitions",
  "contentEncoding",
  "contentMediaType",
]);

type Options = Item[][];

/** Any one of the options is enough. `unknown`: left to validation. */
export function negatedOptions(context: Context, item: Item): Options | "unknown" {
  const options: Options = [];
  for (const keyword of Object.keys(item.schema)) {
    if (ANNOTATIONS.has(keyword)) continue;
    const own = negateKeyword(context, item, keyword);
    if (own === undefined) {
      context.unenforced.add(item.path);
      return "unknown";
    }
    options.push(...own);
  }
  return options;
}

function negateKeyword(context: Context, item: Item, keyword: string): Options | undefined {
  const { schema, path } = item;
  const value = schema[keyword];
  const negate = (one: unknown, ...keys: (string | number)[]): Item[] | undefined =>
    isSchema(one)
      ? context.item(one, pointer(path, keyword, ...keys), { negated: true, derived: true })
      : undefined;
  switch (keyword) {
    case "$ref":
      return typeof value === "string" ? [context.resolve(item, value)] : undefined;
    case "not":
      return isSchema(value) ? [context.item(value, pointer(path, "not"), { derived: true })] : undefined;
    case "allOf":
      return Array.isArray(value) ? complete(value.map((one, at) => negate(one, at))) : undefined;
    case "anyOf": {
      const all = Array.isArray(value) ? complete(value.map((one, at) => negate(one, at))) : undefined;
      return all && [all.flat()];
    }
    case "type": {
      const types = readTypes(item) ?? [];
      // Numbers with a fraction cannot be told from integers by a type.
      if (types.includes("integer") && !types.includes("number")) return undefined;
      return derived(context, item, keyword, { type: TYPES.filter((one) => !types.includes(one)) });
    }
    case "nullable":
      return schema["type"] === undefined ? undefined : [];
    case "const":
      return derived(context, item, keyword, { [EXCLUDED]: [value] });
    case "enum":
      return Array.isArray(value) ? derived(context, item, keyword, { [EXCLUDED]: value }) : undefined;
    case "pattern":
      return typeof value === "string"
        ? derived(context, item, keyword, { type: "string", [UNMATCHED]: value })
        : undefined;
    default:
      return negateBound(context, item, keyword) ?? negateObject(context, item, keyword);
  }
}

function negateBound(context: Context, item: Item, keyword: string): Options | undefined {
  const value = item.schema[keyword];
  if (typeof value !== "number" || !Object.hasOwn(OPPOSITES, keyword)) return undefined;
  const [type, opposite, change] = OPPOSITES[keyword] as (typeof OPPOSITES)[string];
  if (value + change < 0 && type !== "number") return [];
  return derived(context, item, keyword, { type, [opposite]: value + change });
}

const OPPOSITES: Readonly<Record<string, readonly [type: string, keyword: string, change: number]>> = {
  minimum: ["number", "exclusiveMaximum", 0],
  maximum: ["number", "exclusiveMinimum", 0],
  exclusiveMinimum: ["number", "maximum", 0],
  exclusiveMaximum: ["number", "minimum", 0],
  minLength: ["string", "maxLength", -1],
  maxLength: ["string", "minLength", 1],
  minItems: ["array", "maxItems", -1],
  maxItems: ["array", "minItems", 1],
  minProperties: ["object", "maxProperties", -1],
  maxProperties: ["object", "minProperties", 1],
};

function negateObject(context: Context, item: Item, keyword: string): Options | undefined {
  const value = item.schema[keyword];
  if (keyword === "required" && Array.isArray(value)) {
    return value.flatMap((key) =>
      derived(context, item, `required ${key}`, { type: "object", properties: { [String(key)]: false } }),
    );
  }
  if (keyword !== "properties" || typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).flatMap(([key, one]) =>
    derived(context, item, `properties ${key}`, {
      type: "object",
      required: [key],
      properties: { [key]: isSchema(one) ? (typeof one === "boolean" ? !one : { not: one }) : false },
    }),
  );
}

function derived(context: Context, item: Item, purpose: string, schema: DerivedSchema): Options {
  return [[context.derive(item, `not ${purpose}`, () => schema)]];
}

function complete(items: readonly (Item[] | undefined)[]): Options | undefined {
  return items.includes(undefined) ? undefined : (items as Options);
}

function isSchema(value: unknown): value is SchemaObject | boolean {
  return typeof value === "boolean" || (typeof value === "object" && value !== null && !Array.isArray(value));
}
