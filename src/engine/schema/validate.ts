/**
 * Checks a value against a schema: JSON Schema 2020-12 with the spellings of older drafts. Compiles no code and runs no regular
 * expression of the schema, so a hostile schema costs no more than a bounded amount of work.
 */
import { isObject } from "../../core/json-object.ts";
import { matches } from "./automaton.ts";
import type { Automaton } from "./automaton.ts";
import { toDecimal } from "./decimal.ts";
import type { Decimal } from "./decimal.ts";
import { formatAutomaton, INTEGER_FORMATS } from "./formats.ts";
import { isEqual, lookUp, pointer, readKeyword, readTypes, RefusedSchema, typeOf } from "./node.ts";
import { LIST, NUMBER, SCHEMA, SCHEMA_MAP, SCHEMAS, TEXT, TEXTS, OBJECT, COUNT } from "./node.ts";
import type { SchemaObject } from "./node.ts";
import { parsePattern } from "./regex.ts";
import type { Pattern } from "./regex.ts";
import { searchText, toAutomaton } from "./regex-automaton.ts";

export interface ValidationFailure {
  /** A JSON pointer into the value: `#/items/0`. */
  path: string;
  keyword: string;
  /** Goes on after the path: "has to be at least 3". */
  message: string;
}

type Child = SchemaObject | boolean;

const STEP_LIMIT = 2_000_000;

/** `undefined`: the value fits. Throws `RefusedSchema` for a schema that is none. */
export function findFailure(root: unknown, schema: Child, value: unknown): ValidationFailure | undefined {
  return new Validation(root).check({ schema, path: "#" }, value, "#", newEvaluated());
}

/** Whether a value fits one schema of a document; what cannot be told does not count as a fit. */
export function fits(root: unknown, { schema }: { schema: SchemaObject }, value: unknown): boolean {
  return findFailure(root, schema, value) === undefined;
}

/** Members and items that some keyword has looked at, for `unevaluatedProperties` and `unevaluatedItems`. */
interface Evaluated {
  keys: Set<string>;
  items: Set<number>;
}

function newEvaluated(): Evaluated {
  return { keys: new Set(), items: new Set() };
}

function merge(into: Evaluated, from: Evaluated): void {
  from.keys.forEach((key) => into.keys.add(key));
  from.items.forEach((at) => into.items.add(at));
}

interface Place {
  schema: SchemaObject;
  path: string;
}

type Result = ValidationFailure | undefined;

class Validation {
  readonly #root: unknown;
  readonly #patterns = new Map<string, { pattern: Pattern; automaton: Automaton | undefined } | undefined>();
  #steps = 0;
  #depth = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  check(place: { schema: Child; path: string }, value: unknown, at: string, seen: Evaluated): Result {
    const { schema, path } = place;
    if (schema === true) return undefined;
    if (schema === false) return { path: at, keyword: "false", message: "is not allowed" };
    this.#steps += 1;
    this.#depth += 1;
    if (this.#steps > STEP_LIMIT) return { path: at, keyword: "schema", message: "takes too long to check" };
    if (this.#depth > 1000)
      throw new RefusedSchema(path, "$ref", "leads back to itself without a value in between");
    try {
      const here = { schema, path };
      return (
        checkValue(here, value, at) ??
        this.#checkText(here, value, at) ??
        this.#combined(here, value, at, seen) ??
        (Array.isArray(value) ? this.#items(here, value, at, seen) : undefined) ??
        (isObject(value) ? this.#members(here, value, at, seen) : undefined)
      );
    } finally {
      this.#depth -= 1;
    }
  }

  #checkText({ schema, path }: Place, value: unknown, at: string): Result {
    if (typeof value !== "string") return undefined;
    const source = readKeyword({ schema, path }, "pattern", TEXT);
    if (source !== undefined && !this.#matches(source, value))
      return { path: at, keyword: "pattern", message: `has to match \`${source.slice(0, 200)}\`` };
    const format = readKeyword({ schema, path }, "format", TEXT);
    if (format === undefined) return undefined;
    const automaton = formatAutomaton(format);
    const isOdd =
      automaton === undefined ? format === "regex" && !parsePattern(value).ok : !matches(automaton, value);
    return isOdd ? { path: at, keyword: "format", message: `has to be a ${format}` } : undefined;
  }

  /** A pattern that cannot be kept counts as matched; the compiler has told about it. */
  #matches(source: string, text: string): boolean {
    if (!this.#patterns.has(source)) {
      const parsed = parsePattern(source);
      this.#patterns.set(
        source,
        parsed.ok ? { pattern: parsed.pattern, automaton: toAutomaton(parsed.pattern) } : undefined,
      );
    }
    const known = this.#patterns.get(source);
    this.#steps += 1 + text.length / 8;
    if (known === undefined) return true;
    return known.automaton ? matches(known.automaton, text) : searchText(known.pattern, text) === true;
  }

  #combined(place: Place, value: unknown, at: string, seen: Evaluated): Result {
    const { schema, path } = place;
    const reference = readKeyword(place, "$ref", TEXT);
    if (reference !== undefined) {
      const target = lookUp(this.#root, reference, path);
      const failure = this.check({ schema: target.value as Child, path: target.path }, value, at, seen);
      if (failure !== undefined) return failure;
    }
    for (const [index, one] of (readKeyword(place, "allOf", SCHEMAS) ?? []).entries()) {
      const failure = this.check({ schema: one, path: pointer(path, "allOf", index) }, value, at, seen);
      if (failure !== undefined) return failure;
    }
    const any = readKeyword(place, "anyOf", SCHEMAS);
    if (any !== undefined && this.#count(any, { value, at, seen, path }) === 0)
      return { path: at, keyword: "anyOf", message: "fits none of the alternatives" };
    const one = readKeyword(place, "oneOf", SCHEMAS);
    if (one !== undefined) {
      const count = this.#count(one, { value, at, seen, path });
      if (count !== 1)
        return {
          path: at,
          keyword: "oneOf",
          message: `has to fit one of the alternatives and fits ${count}`,
        };
    }
    const not = readKeyword(place, "not", SCHEMA);
    if (not !== undefined && this.check({ schema: not, path }, value, at, newEvaluated()) === undefined)
      return { path: at, keyword: "not", message: "fits what it must not fit" };
    return this.#condition({ schema, path }, value, at, seen);
  }

  #count(
    schemas: readonly Child[],
    { value, at, seen, path }: { value: unknown; at: string; seen: Evaluated; path: string },
  ): number {
    let count = 0;
    for (const schema of schemas) {
      const own = newEvaluated();
      if (this.check({ schema, path }, value, at, own) !== undefined) continue;
      count += 1;
      merge(seen, own);
    }
    return count;
  }

  #condition(place: Place, value: unknown, at: string, seen: Evaluated): Result {
    const condition = readKeyword(place, "if", SCHEMA);
    const isUsed = ["then", "else"].some((keyword) => readKeyword(place, keyword, SCHEMA) !== undefined);
    if (condition === undefined || !isUsed) return undefined;
    const own = newEvaluated();
    const holds = this.check({ schema: condition, path: place.path }, value, at, own) === undefined;
    if (holds) merge(seen, own);
    const next = readKeyword(place, holds ? "then" : "else", SCHEMA);
    return next === undefined ? undefined : this.check({ schema: next, path: place.path }, value, at, seen);
  }

  #items(place: Place, value: readonly unknown[], at: string, seen: Evaluated): Result {
    const prefix = readKeyword(place, "prefixItems", SCHEMAS);
    const isTuple = Array.isArray(place.schema["items"]);
    const tuple = isTuple ? (readKeyword(place, "items", SCHEMAS) ?? []) : (prefix ?? []);
    const rest = readKeyword(place, isTuple ? "additionalItems" : "items", SCHEMA);
    for (const [index, one] of value.entries()) {
      const schema = tuple[index] ?? rest;
      if (schema === undefined) break;
      const failure = this.check({ schema, path: place.path }, one, `${at}/${index}`, newEvaluated());
      if (failure !== undefined) return failure;
      seen.items.add(index);
    }
    return this.#contained(place, value, at, seen) ?? this.#unevaluatedItems(place, value, at, seen);
  }

  #contained(place: Place, value: readonly unknown[], at: string, seen: Evaluated): Result {
    const contains = readKeyword(place, "contains", SCHEMA);
    if (contains === undefined) return undefined;
    const found = value.flatMap((one, index) =>
      this.check({ schema: contains, path: place.path }, one, at, newEvaluated()) === undefined
        ? [index]
        : [],
    );
    found.forEach((index) => seen.items.add(index));
    const least = readKeyword(place, "minContains", COUNT) ?? 1;
    const most = readKeyword(place, "maxContains", COUNT) ?? Infinity;
    if (found.length >= least && found.length <= most) return undefined;
    return {
      path: at,
      keyword: "contains",
      message: `has ${found.length} items that fit, not ${least} or more`,
    };
  }

  #unevaluatedItems(place: Place, value: readonly unknown[], at: string, seen: Evaluated): Result {
    const schema = readKeyword(place, "unevaluatedItems", SCHEMA);
    if (schema === undefined) return undefined;
    for (const [index, one] of value.entries()) {
      if (seen.items.has(index)) continue;
      const failure = this.check({ schema, path: place.path }, one, `${at}/${index}`, newEvaluated());
      if (failure !== undefined) return { ...failure, keyword: "unevaluatedItems" };
      seen.items.add(index);
    }
    return undefined;
  }

  #members(place: Place, value: Readonly<Record<string, unknown>>, at: string, seen: Evaluated): Result {
    const properties = readKeyword(place, "properties", SCHEMA_MAP) ?? {};
    const patterns = Object.entries(readKeyword(place, "patternProperties", SCHEMA_MAP) ?? {});
    const additional = readKeyword(place, "additionalProperties", SCHEMA);
    const names = readKeyword(place, "propertyNames", SCHEMA);
    for (const [key, one] of Object.entries(value)) {
      const inner = pointer(at, key);
      if (names !== undefined && this.check({ schema: names, path: place.path }, key, inner, newEvaluated()))
        return { path: inner, keyword: "propertyNames", message: "has a key that is not allowed" };
      const own = Object.hasOwn(properties, key) ? [properties[key] as Child] : [];
      const matched = patterns.filter(([source]) => this.#matches(source, key)).map(([, schema]) => schema);
      const isAdditional = own.length === 0 && matched.length === 0;
      const schemas = isAdditional ? (additional === undefined ? [] : [additional]) : [...own, ...matched];
      for (const schema of schemas) {
        const failure = this.check({ schema, path: place.path }, one, inner, newEvaluated());
        if (failure === undefined) continue;
        return isAdditional && schema === false ? { ...failure, keyword: "additionalProperties" } : failure;
      }
      if (schemas.length > 0) seen.keys.add(key);
    }
    return this.#dependents(place, value, at, seen) ?? this.#unevaluatedMembers(place, value, at, seen);
  }

  #dependents(place: Place, value: Readonly<Record<string, unknown>>, at: string, seen: Evaluated): Result {
    for (const keyword of ["dependentRequired", "dependentSchemas", "dependencies"]) {
      for (const [key, one] of Object.entries(readKeyword(place, keyword, OBJECT) ?? {})) {
        if (!Object.hasOwn(value, key)) continue;
        const missing = TEXTS.test(one) ? one.find((name) => !Object.hasOwn(value, name)) : undefined;
        if (missing !== undefined)
          return { path: at, keyword, message: `lacks \`${missing}\`, which \`${key}\` asks for` };
        if (!SCHEMA.test(one)) continue;
        const failure = this.check({ schema: one, path: place.path }, value, at, seen);
        if (failure !== undefined) return failure;
      }
    }
    return undefined;
  }

  #unevaluatedMembers(
    place: Place,
    value: Readonly<Record<string, unknown>>,
    at: string,
    seen: Evaluated,
  ): Result {
    const schema = readKeyword(place, "unevaluatedProperties", SCHEMA);
    if (schema === undefined) return undefined;
    for (const [key, one] of Object.entries(value)) {
      if (seen.keys.has(key)) continue;
      const failure = this.check({ schema, path: place.path }, one, pointer(at, key), newEvaluated());
      if (failure !== undefined) return { ...failure, keyword: "unevaluatedProperties" };
      seen.keys.add(key);
    }
    return undefined;
  }
}

/** Keywords that need nothing but the value itself. */
function checkValue(place: Place, value: unknown, at: string): Result {
  const { schema } = place;
  const types = readTypes(place);
  if (types !== undefined && !hasType(types, value))
    return { path: at, keyword: "type", message: `has to be ${types.join(" or ") || "nothing"}` };
  if (Object.hasOwn(schema, "const") && !isEqual(schema["const"], value))
    return { path: at, keyword: "const", message: `has to be ${brief(schema["const"])}` };
  const list = readKeyword(place, "enum", LIST);
  if (list !== undefined && !list.some((one) => isEqual(one, value)))
    return { path: at, keyword: "enum", message: `has to be one of ${brief(list)}` };
  if (typeof value === "number") return checkNumber(place, value, at);
  if (typeof value === "string")
    return checkCount(place, Array.from(value).length, at, ["minLength", "maxLength"]);
  if (isObject(value)) {
    const missing = (readKeyword(place, "required", TEXTS) ?? []).find((key) => !Object.hasOwn(value, key));
    if (missing !== undefined) return { path: at, keyword: "required", message: `lacks \`${missing}\`` };
    return checkCount(place, Object.keys(value).length, at, ["minProperties", "maxProperties"]);
  }
  if (!Array.isArray(value)) return undefined;
  if (schema["uniqueItems"] === true && new Set(value.map(toSortedText)).size < value.length)
    return { path: at, keyword: "uniqueItems", message: "has equal items" };
  return checkCount(place, value.length, at, ["minItems", "maxItems"]);
}

function hasType(types: readonly string[], value: unknown): boolean {
  return types.includes(typeOf(value)) || (types.includes("integer") && Number.isInteger(value));
}

function checkNumber(place: Place, value: number, at: string): Result {
  const { schema } = place;
  const fail = (keyword: string, message: string): ValidationFailure => ({ path: at, keyword, message });
  const bound = (keyword: string): number | undefined =>
    typeof schema[keyword] === "boolean" ? undefined : readKeyword(place, keyword, NUMBER);
  const [least, most] = [bound("minimum"), bound("maximum")];
  const [above, below] = [bound("exclusiveMinimum"), bound("exclusiveMaximum")];
  if (least !== undefined && (value < least || (schema["exclusiveMinimum"] === true && value === least)))
    return fail("minimum", `has to be at least ${least}`);
  if (most !== undefined && (value > most || (schema["exclusiveMaximum"] === true && value === most)))
    return fail("maximum", `has to be at most ${most}`);
  if (above !== undefined && value <= above) return fail("exclusiveMinimum", `has to be more than ${above}`);
  if (below !== undefined && value >= below) return fail("exclusiveMaximum", `has to be less than ${below}`);
  const step = readKeyword(place, "multipleOf", NUMBER);
  if (step !== undefined && !isMultiple(value, step))
    return fail("multipleOf", `has to be a multiple of ${step}`);
  const format = schema["format"];
  if (typeof format !== "string" || !Object.hasOwn(INTEGER_FORMATS, format)) return undefined;
  const [from, to] = INTEGER_FORMATS[format] as readonly [string, string];
  return value < Number(from) || value > Number(to) ? fail("format", `has to be an ${format}`) : undefined;
}

/** In decimals, where 0.3 is a multiple of 0.1. */
function isMultiple(value: number, step: number): boolean {
  const [one, other] = [toDecimal(value), toDecimal(step)];
  const places = Math.max(one.fraction.length, other.fraction.length);
  const divisor = scale(other, places);
  return divisor !== 0n && scale(one, places) % divisor === 0n;
}

function scale({ digits, fraction }: Decimal, places: number): bigint {
  return BigInt(`0${digits}${fraction.padEnd(places, "0")}`);
}

function checkCount(place: Place, count: number, at: string, [least, most]: [string, string]): Result {
  const min = readKeyword(place, least, COUNT);
  if (min !== undefined && count < min)
    return { path: at, keyword: least, message: `has ${count}, fewer than ${min}` };
  const max = readKeyword(place, most, COUNT);
  if (max !== undefined && count > max)
    return { path: at, keyword: most, message: `has ${count}, more than ${max}` };
  return undefined;
}

/** The same for equal values, whatever the order of their keys. */
function toSortedText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}

function brief(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
