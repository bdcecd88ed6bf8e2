/** Grammars of arrays. */
import { choice, EMPTY, isNothing, literal, NOTHING, optional, sequence } from "./grammar.ts";
import type { Expression } from "./grammar.ts";
import type { Context } from "./context.ts";
import { anyArray, space } from "./json-text.ts";
import { COUNT, pointer, readKeyword, RefusedSchema, SCHEMA, SCHEMAS } from "./node.ts";
import type { Item, SchemaObject } from "./node.ts";
import { readRange } from "./shape.ts";
import type { Shape } from "./shape.ts";

const COUNT_LIMIT = 4096;
const TUPLE_LIMIT = 500;
/** Distinct items out of this many values can be kept apart by the grammar. */
const UNIQUE_LIMIT = 5;

type Child = SchemaObject | boolean;

interface Source {
  item: Item;
  tuple: readonly Child[];
  tupleKeyword: string;
  rest: Child | undefined;
  restKeyword: string;
}

export function arrayExpression(context: Context, shape: Shape, name: string): Expression {
  const { grammar } = context;
  const sources = shape.items.map((item) => toSource(context, item));
  const tuple = Math.max(0, ...sources.map((one) => one.tuple.length));
  if (tuple > TUPLE_LIMIT)
    throw new RefusedSchema(shape.items[0]?.path ?? "#", "prefixItems", `are more than ${TUPLE_LIMIT}`);
  const range = boundedCount(context, shape);
  const isUnique = shape.items.some(({ schema }) => schema["uniqueItems"] === true);
  leaveOthers(context, shape.items);
  if (tuple === 0 && sources.every(({ rest }) => rest === undefined || rest === true) && !isUnique) {
    if (range.min === 0 && range.max === undefined) return anyArray(grammar);
  }
  const itemsAt = (at: number): Item[] => sources.flatMap((source) => childAt(context, source, at));
  const heads = Array.from({ length: tuple }, (_, at) => context.compile(itemsAt(at), `${name}-${at}`));
  const rest = context.compile(itemsAt(tuple), `${name}-item`);
  const blocked = heads.findIndex(isNothing);
  const room = blocked >= 0 ? blocked : isNothing(rest) ? tuple : Infinity;
  const max = Math.min(room, range.max ?? Infinity);
  const bounds = { min: range.min, ...(max === Infinity ? {} : { max }) };
  if (max < range.min) {
    context.fail(
      range.minItem ?? shape.items[0] ?? { path: "#" },
      "minItems",
      `asks for more items than the ${max} that fit`,
    );
    return NOTHING;
  }
  if (isUnique && max > 1) {
    const unique = tuple === 0 ? uniqueList(context, itemsAt(0), bounds) : undefined;
    if (unique !== undefined) return wrap(context, unique, bounds.min);
    shape.items.forEach((item) => item.schema["uniqueItems"] === true && context.leave(item, "uniqueItems"));
  }
  return wrap(context, listItems(context, { heads, rest, bounds }), bounds.min);
}

function toSource(context: Context, item: Item): Source {
  const { schema } = item;
  const prefix = readKeyword(item, "prefixItems", SCHEMAS);
  const items = schema["items"];
  const unevaluated = readKeyword(item, "unevaluatedItems", SCHEMA);
  if (unevaluated !== undefined && unevaluated !== true) context.leave(item, "unevaluatedItems");
  // Up to draft 2019-09 a list in `items` is the tuple.
  if (Array.isArray(items)) {
    const tuple = readKeyword(item, "items", SCHEMAS) ?? [];
    const rest = readKeyword(item, "additionalItems", SCHEMA) ?? unevaluated;
    return { item, tuple, tupleKeyword: "items", rest, restKeyword: "additionalItems" };
  }
  const rest = readKeyword(item, "items", SCHEMA) ?? (prefix === undefined ? undefined : unevaluated);
  return { item, tuple: prefix ?? [], tupleKeyword: "prefixItems", rest, restKeyword: "items" };
}

function childAt(context: Context, source: Source, at: number): Item[] {
  const { item, tuple, tupleKeyword, rest, restKeyword } = source;
  const own = tuple[at];
  if (own !== undefined) return context.item(own, pointer(item.path, tupleKeyword, at));
  return rest === undefined ? [] : context.item(rest, pointer(item.path, restKeyword));
}

function boundedCount(context: Context, shape: Shape): { min: number; max?: number; minItem?: Item } {
  const range = readRange(shape.items, "minItems", "maxItems");
  if (range.min > COUNT_LIMIT)
    throw new RefusedSchema(
      range.minItem?.path ?? "#",
      "minItems",
      `is more than ${COUNT_LIMIT}, the most that is supported`,
    );
  if (range.max === undefined || range.max <= COUNT_LIMIT) return range;
  context.leave(range.maxItem ?? { path: "#" }, "maxItems");
  return { min: range.min, ...(range.minItem ? { minItem: range.minItem } : {}) };
}

function leaveOthers(context: Context, items: readonly Item[]): void {
  for (const item of items) {
    if (readKeyword(item, "contains", SCHEMA) === undefined) continue;
    const least = readKeyword(item, "minContains", COUNT) ?? 1;
    if (least > 0 || readKeyword(item, "maxContains", COUNT) !== undefined) context.leave(item, "contains");
  }
}

interface ListOptions {
  heads: readonly Expression[];
  rest: Expression;
  bounds: { min: number; max?: number };
}

/** The items with commas between them, at least one. */
function listItems(context: Context, { heads, rest, bounds }: ListOptions): Expression {
  const { grammar } = context;
  const { min, max } = bounds;
  const ws = space(grammar);
  const comma = sequence(ws, literal(","), ws);
  const more = (after: number): Expression => {
    const left = max === undefined ? undefined : max - after;
    if (left !== undefined && left <= 0) return EMPTY;
    return grammar.count(grammar.rule("more", sequence(comma, rest)), Math.max(0, min - after), left);
  };
  if (max === 0) return NOTHING;
  if (heads.length === 0) return sequence(rest, more(1));
  let tail = max !== undefined && max <= heads.length ? EMPTY : more(heads.length);
  for (let at = heads.length - 1; at >= 0; at -= 1) {
    if (max !== undefined && at >= max) continue;
    const body = sequence(at === 0 ? EMPTY : comma, heads[at] as Expression, tail);
    if (at === 0) return body;
    const part = at >= min ? optional(body) : body;
    tail = at % 4 === 0 ? grammar.rule("more", part) : part;
  }
  return tail;
}

function wrap(context: Context, list: Expression, min: number): Expression {
  const ws = space(context.grammar);
  const inside = sequence(list, ws);
  const body = min > 0 ? inside : isNothing(list) ? EMPTY : optional(inside);
  return sequence(literal("["), ws, body, literal("]"));
}

/** Every choice of different values out of a short list, in any order. */
function uniqueList(
  context: Context,
  items: readonly Item[],
  { min, max }: { min: number; max?: number },
): Expression | undefined {
  const values = context.valuesOf(items);
  if (values === undefined || values.length > UNIQUE_LIMIT) return undefined;
  const { grammar } = context;
  const ws = space(grammar);
  const known = new Map<number, Expression>();
  const after = (used: number, count: number): Expression => {
    const made = known.get(used);
    if (made !== undefined) return made;
    const options = values.flatMap((value, at) => {
      if ((used >> at) & 1 || count >= (max ?? Infinity)) return [];
      const comma = count === 0 ? EMPTY : sequence(ws, literal(","), ws);
      return [sequence(comma, literal(JSON.stringify(value)), after(used | (1 << at), count + 1))];
    });
    if (count > 0 && count >= min) options.push(EMPTY);
    const body = choice(options.filter((one) => !isNothing(one)));
    const result = count === 0 ? body : grammar.rule("rest", body);
    known.set(used, result);
    return result;
  };
  return after(0, 0);
}
