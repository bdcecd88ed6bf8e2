/**
 * JSON Schema (2020-12 and the spellings of older drafts) to GBNF. What the grammar writes always fits the keywords that it keeps;
 * those that it cannot keep are named, so that the value can be checked with `validateJson` afterwards.
 */
import { choice, Grammar, isNothing, literal, NOTHING } from "./grammar.ts";
import type { Expression } from "./grammar.ts";
import { arrayExpression } from "./arrays.ts";
import { expand } from "./branches.ts";
import { Context } from "./context.ts";
import { anyOfTexts, anyValue } from "./json-text.ts";
import { checkSize, isEqual, RefusedSchema, SCHEMA } from "./node.ts";
import type { Item, SchemaRefusal } from "./node.ts";
import { objectExpression } from "./objects.ts";
import { numberExpression, stringExpression } from "./scalars.ts";
import { toShape } from "./shape.ts";
import type { Shape } from "./shape.ts";
import { findFailure, fits } from "./validate.ts";
import type { ValidationFailure } from "./validate.ts";

export type { SchemaRefusal } from "./node.ts";
export type { ValidationFailure } from "./validate.ts";

export interface SchemaOptions {
  /** A keyword that nobody can keep refuses the schema; otherwise it is only named in `ignored`. */
  strict: boolean;
}

export type SchemaExpression =
  | {
      ok: true;
      expression: Expression;
      /** Pointers of keywords that the grammar leaves to `validateJson`: `#/properties/tags/uniqueItems`. */
      unenforced: readonly string[];
      /** Pointers of keywords that neither keeps, such as a format that nobody knows. Empty where `strict`. */
      ignored: readonly string[];
    }
  | { ok: false; refusal: SchemaRefusal };

export type CompiledSchema =
  | { ok: true; grammar: string; unenforced: readonly string[]; ignored: readonly string[] }
  | { ok: false; refusal: SchemaRefusal };

/** A whole grammar for one value. */
export function compileSchema(schema: unknown, options: SchemaOptions): CompiledSchema {
  const grammar = new Grammar();
  const result = addSchema(grammar, schema, { ...options, name: "value" });
  if (!result.ok) return result;
  const { unenforced, ignored } = result;
  const text = grammar.toText(result.expression);
  if (text.length > GRAMMAR_LIMIT)
    return { ok: false, refusal: { path: "#", keyword: "schema", why: "makes a grammar that is too large" } };
  return { ok: true, grammar: text, unenforced, ignored };
}

/** Characters of a grammar; reading one takes llama.cpp about a second for each million. */
export const GRAMMAR_LIMIT = 2_000_000;

/** Adds the rules for one schema, or, with `start`, for one inside it, to a grammar. */
export function addSchema(
  grammar: Grammar,
  schema: unknown,
  options: SchemaOptions & { name: string; start?: { schema: unknown; path: string } },
): SchemaExpression {
  try {
    checkSize(schema);
    const { strict, name, start = { schema, path: "#" } } = options;
    if (!SCHEMA.test(start.schema)) throw new RefusedSchema(start.path, "schema", `has to be ${SCHEMA.what}`);
    const context = new Context(grammar, {
      root: schema,
      strict,
      compile: compileItems,
      valuesOf: listValues,
    });
    const expression = compileItems(context, context.item(start.schema, start.path), name);
    if (!grammar.isProductive(expression)) return { ok: false, refusal: context.impossible ?? ENDLESS };
    return { ok: true, expression, unenforced: [...context.unenforced], ignored: [...context.ignored] };
  } catch (error) {
    if (error instanceof RefusedSchema) return { ok: false, refusal: error.refusal };
    throw error;
  }
}

const ENDLESS: SchemaRefusal = { path: "#", keyword: "schema", why: "fits no value that ends" };

/**
 * Checks a value, such as an answer that was parsed, against a schema that `compileSchema` has taken. `undefined`: it fits.
 */
export function validateJson(schema: unknown, value: unknown): ValidationFailure | undefined {
  if (!SCHEMA.test(schema)) return { path: "#", keyword: "schema", message: "has no schema" };
  try {
    return findFailure(schema, schema, value);
  } catch (error) {
    if (error instanceof RefusedSchema)
      return { path: "#", keyword: error.refusal.keyword, message: `cannot be checked: ${error.message}` };
    throw error;
  }
}

function compileItems(context: Context, items: readonly Item[], name: string): Expression {
  const { grammar } = context;
  if (items.length === 0) return anyValue(grammar);
  const key = `items ${[...new Set(items.map((item) => item.key))].sort().join(" ")}`;
  const known = context.rules.get(key);
  if (known !== undefined) return known;
  context.spend(items.length);
  const rule = grammar.reserve(name);
  context.rules.set(key, rule);
  const options = expand(context, items).map((branch) =>
    shapeExpression(context, toShape(context, branch), { items, name }),
  );
  const body = choice(options.filter((one) => !isNothing(one)));
  grammar.define(rule, body);
  const result = isNothing(body) || body.kind === "rule" || body.kind === "text" ? body : rule;
  context.rules.set(key, result);
  return result;
}

function shapeExpression(
  context: Context,
  shape: Shape,
  { items, name }: { items: readonly Item[]; name: string },
): Expression {
  const { types, values, excluded } = shape;
  if (values !== undefined) {
    const fitting = filterValues(context, items, values);
    if (fitting.length > 0)
      return anyOfTexts(
        context.grammar,
        fitting.map((value) => JSON.stringify(value)),
      );
    const item = shape.items.find(
      ({ schema }) => Object.hasOwn(schema, "enum") || Object.hasOwn(schema, "const"),
    );
    const keyword = item !== undefined && Object.hasOwn(item.schema, "const") ? "const" : "enum";
    context.fail(item ?? { path: "#" }, keyword, "has no value that fits the other keywords");
    return NOTHING;
  }
  const isExcluded = (value: unknown): boolean => excluded.some((one) => one.value === value);
  for (const { value, path } of excluded)
    if (typeof value === "object" && value !== null) context.unenforced.add(path);
  const options: Expression[] = [];
  if (types.has("object")) options.push(objectExpression(context, shape, name));
  if (types.has("array")) options.push(arrayExpression(context, shape, name));
  if (types.has("string")) options.push(stringExpression(context, shape, name));
  if (types.has("number")) options.push(numberExpression(context, shape, name));
  if (types.has("boolean"))
    options.push(...[true, false].filter((one) => !isExcluded(one)).map((one) => literal(String(one))));
  if (types.has("null") && !isExcluded(null)) options.push(literal("null"));
  return choice(options.filter((one) => !isNothing(one)));
}

const LISTED_LIMIT = 64;

function listValues(context: Context, items: readonly Item[]): readonly unknown[] | undefined {
  if (items.length === 0) return undefined;
  const lists = expand(context, items).map((branch) => toShape(context, branch).values);
  if (lists.includes(undefined) || lists.flat().length > LISTED_LIMIT) return undefined;
  const fitting = filterValues(
    context,
    items,
    lists.flatMap((list) => list ?? []),
  );
  return fitting.filter((value, at) => !fitting.slice(0, at).some((other) => isEqual(value, other)));
}

function filterValues(context: Context, items: readonly Item[], values: readonly unknown[]): unknown[] {
  context.spend(values.length);
  return values.filter((value) => items.every((item) => fits(context.root, item, value)));
}
