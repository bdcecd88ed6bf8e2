/** Reading a JSON Schema that came from outside: references, shapes of keywords, limits of size. */
import { isObject } from "../../core/json-object.ts";

export type SchemaObject = Readonly<Record<string, unknown>>;

/** Why a schema cannot be used. */
export interface SchemaRefusal {
  /** A JSON pointer into the schema: `#/properties/name`. */
  path: string;
  keyword: string;
  /** Goes on after the keyword: "is not known". */
  why: string;
}

/** Ends the work on a schema; caught where the work began. */
export class RefusedSchema extends Error {
  readonly refusal: SchemaRefusal;

  constructor(path: string, keyword: string, why: string) {
    super(`\`${keyword}\` at \`${path}\` ${why}`);
    this.refusal = { path, keyword, why };
  }
}

/** One schema that a value has to fit, or, negated, must not fit. */
export interface Item {
  schema: SchemaObject;
  path: string;
  negated: boolean;
  /** Made from other keywords: its `properties` do not say that there are no further ones. */
  derived: boolean;
  /** The same for the same schema, negated or not. */
  key: string;
}

export const DEPTH_LIMIT = 200;
const VALUE_LIMIT = 200_000;

/** Refuses what is nested too deep or too large to work on. Walks without recursion. */
export function checkSize(schema: unknown): void {
  let level: unknown[] = [schema];
  let count = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEPTH_LIMIT)
      throw new RefusedSchema("#", "schema", `is nested deeper than ${DEPTH_LIMIT} levels`);
    count += level.length;
    if (count > VALUE_LIMIT) throw new RefusedSchema("#", "schema", `has more than ${VALUE_LIMIT} values`);
    const inner = level.flatMap((value) =>
      typeof value === "object" && value !== null ? (Object.values(value) as unknown[]) : [],
    );
    level = inner.filter((value) => typeof value === "object" && value !== null);
    count += inner.length - level.length;
  }
}

export function pointer(path: string, ...keys: readonly (string | number)[]): string {
  const parts = keys.map((key) => String(key).replaceAll("~", "~0").replaceAll("/", "~1").slice(0, 80));
  return [path, ...parts].join("/");
}

/** The schema that a reference within the document names, and its pointer. */
export function lookUp(root: unknown, reference: string, path: string): { value: unknown; path: string } {
  const own = isObject(root) && typeof root["$id"] === "string" ? root["$id"].replace(/#$/, "") : undefined;
  const local =
    own !== undefined && reference.startsWith(`${own}#`) ? reference.slice(own.length) : reference;
  if (local === "#" || local === own) return { value: root, path: "#" };
  if (!local.startsWith("#"))
    throw new RefusedSchema(path, "$ref", `leads out of the schema: \`${reference}\``);
  if (!local.startsWith("#/")) return lookUpAnchor(root, local.slice(1), path);
  let at = root;
  for (const part of decodePointer(local.slice(2), path).split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const inner = typeof at === "object" && at !== null && Object.hasOwn(at, key);
    if (!inner) throw new RefusedSchema(path, "$ref", `leads to nothing: \`${reference}\``);
    at = (at as Record<string, unknown>)[key];
  }
  return { value: at, path: local };
}

function decodePointer(text: string, path: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RefusedSchema(path, "$ref", `is no pointer: \`#/${text}\``);
  }
}

function lookUpAnchor(root: unknown, name: string, path: string): { value: unknown; path: string } {
  const pending: { value: unknown; at: string }[] = [{ value: root, at: "#" }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, at } = next;
    if (typeof value !== "object" || value === null) continue;
    if (isObject(value) && (value["$anchor"] === name || value["$dynamicAnchor"] === name))
      return { value, path: at };
    for (const [key, inner] of Object.entries(value)) pending.push({ value: inner, at: pointer(at, key) });
  }
  throw new RefusedSchema(path, "$ref", `leads to nothing: \`#${name}\``);
}

/** Reads one keyword; absent is `undefined`, and so is `null`, which some tools write for "none". A wrong shape is refused. */
export function readKeyword<T>(
  { schema, path }: Pick<Item, "schema" | "path">,
  keyword: string,
  is: { test: (value: unknown) => value is T; what: string },
): T | undefined {
  const value = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
  if (value === undefined || value === null) return undefined;
  if (!is.test(value)) throw new RefusedSchema(path, keyword, `has to be ${is.what}`);
  return value;
}

export const COUNT = {
  test: (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0,
  what: "a whole number that is not negative",
};
export const NUMBER = {
  test: (value: unknown): value is number => Number.isFinite(value),
  what: "a number",
};
export const TEXT = {
  test: (value: unknown): value is string => typeof value === "string",
  what: "a string",
};
export const LIST = { test: (value: unknown): value is unknown[] => Array.isArray(value), what: "a list" };
export const TEXTS = {
  test: (value: unknown): value is string[] =>
    Array.isArray(value) && value.every((one) => typeof one === "string"),
  what: "a list of strings",
};
export const OBJECT = { test: (value: unknown): value is SchemaObject => isObject(value), what: "an object" };
export const SCHEMA = {
  test: (value: unknown): value is SchemaObject | boolean => isObject(value) || typeof value === "boolean",
  what: "a schema: an object or a boolean",
};
export const SCHEMAS = {
  test: (value: unknown): value is (SchemaObject | boolean)[] =>
    Array.isArray(value) && value.every(SCHEMA.test),
  what: "a list of schemas",
};
export const SCHEMA_MAP = {
  test: (value: unknown): value is Readonly<Record<string, SchemaObject | boolean>> =>
    isObject(value) && Object.values(value).every(SCHEMA.test),
  what: "an object whose values are schemas",
};

export const TYPES = ["null", "boolean", "number", "string", "array", "object"] as const;
export type TypeName = (typeof TYPES)[number];

export function typeOf(value: unknown): TypeName {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as TypeName;
}

/** `type` as a list; `integer` among them, `null` too where `nullable` adds it. */
export function readTypes(item: Pick<Item, "schema" | "path">): readonly string[] | undefined {
  const { schema, path } = item;
  const type = schema["type"];
  if (type === undefined || type === null) return undefined;
  const list: unknown[] = Array.isArray(type) ? type : [type];
  for (const one of list) {
    if (one !== "integer" && !TYPES.includes(one as TypeName))
      throw new RefusedSchema(path, "type", `is not known: \`${JSON.stringify(one).slice(0, 80)}\``);
  }
  return (schema["nullable"] === true ? [...list, "null"] : list) as string[];
}

/** Equality of JSON values. */
export function isEqual(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const [left, right] = [Object.entries(one), other as Record<string, unknown>];
  return (
    left.length === Object.keys(right).length &&
    left.every(([key, value]) => Object.hasOwn(right, key) && isEqual(value, right[key]))
  );
}
