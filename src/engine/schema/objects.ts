/** Grammars of objects: which keys, in which order, how many. */
import { choice, isNothing, literal, NOTHING, sequence } from "./grammar.ts";
import type { Expression } from "./grammar.ts";
import { complement, intersect, isEmpty, matches, ofTexts } from "./automaton.ts";
import type { Automaton } from "./automaton.ts";
import type { Context } from "./context.ts";
import { anyObject, anyString, member, space } from "./json-text.ts";
import { nameLanguage } from "./names.ts";
import { OBJECT, pointer, readKeyword, RefusedSchema, SCHEMA, SCHEMA_MAP, TEXTS } from "./node.ts";
import type { Item, SchemaObject } from "./node.ts";
import { anyOrder, declaredOrder } from "./object-order.ts";
import type { Members } from "./object-order.ts";
import { languageExpression, patternAutomaton } from "./scalars.ts";
import { readRange } from "./shape.ts";
import type { Shape } from "./shape.ts";

/** Objects with up to this many properties may have them in any order; larger ones in the declared order, to bound the grammar. */
const ANY_ORDER_LIMIT = 5;
const PROPERTY_LIMIT = 2000;
/** Patterns of keys, each of which doubles the kinds of keys. */
const PATTERN_LIMIT = 4;
const COUNTED_LIMIT = 60;

type Child = SchemaObject | boolean;

/** What one schema says about the members of an object. */
interface Source {
  item: Item;
  properties: Readonly<Record<string, Child>>;
  patterns: readonly { source: string; schema: Child; automaton: Automaton }[];
  additional: Child | undefined;
  unevaluated: Child | undefined;
}

export function objectExpression(context: Context, shape: Shape, name: string): Expression {
  const { grammar } = context;
  const sources = shape.items.map((item) => toSource(context, item));
  const required = new Set(shape.items.flatMap((item) => readKeyword(item, "required", TEXTS) ?? []));
  const dependents = readDependents(shape.items);
  const names = nameLanguage(context, shape.items);
  const range = readRange(shape.items, "minProperties", "maxProperties");
  const keys = new Set([...sources.flatMap(({ properties }) => Object.keys(properties)), ...required]);
  const open = isOpen(sources) || range.min > keys.size;
  const mayCome = (key: string): boolean => open || isMatched(sources, key);
  // A free key that asks for others has to be told from the rest.
  dependents.forEach((list, key) => [key, ...list].filter(mayCome).forEach((one) => keys.add(one)));
  if (keys.size > PROPERTY_LIMIT)
    throw new RefusedSchema(shape.items[0]?.path ?? "#", "properties", `are more than ${PROPERTY_LIMIT}`);
  const members = [...keys].map((key) => {
    const allowed = names === undefined || matches(names, key);
    const pair = allowed ? memberExpression(context, sources, { key, name }) : NOTHING;
    return { key, pair, required: required.has(key) };
  });
  const missing = members.find((one) => one.required && isNothing(one.pair));
  if (missing !== undefined) {
    const item = shape.items.find((one) => (readKeyword(one, "required", TEXTS) ?? []).includes(missing.key));
    context.fail(item ?? { path: "#" }, "required", `asks for \`${missing.key}\`, for which no value fits`);
    return NOTHING;
  }
  const possible = members.filter(({ pair }) => !isNothing(pair));
  const opened = open || range.min > possible.length;
  if (opened && !open) leaveDependents(context, shape.items);
  const extra = extraExpression(context, { sources, keys: [...keys], names, open: opened, name });
  if (keys.size === 0 && extra === "any" && range.min === 0 && range.max === undefined)
    return anyObject(grammar);
  const pair = extra === "any" ? member(grammar, anyString(grammar), context.compile([], "value")) : extra;
  const list = toList(context, shape, { members: possible, extra: pair, range, dependents });
  if (isNothing(list)) {
    const { minItem, maxItem } = range;
    context.fail(
      minItem ?? maxItem ?? { path: "#" },
      minItem ? "minProperties" : "maxProperties",
      "leaves no object",
    );
    return NOTHING;
  }
  return sequence(literal("{"), space(grammar), list, literal("}"));
}

function toSource(context: Context, item: Item): Source {
  const patterns = Object.entries(readKeyword(item, "patternProperties", SCHEMA_MAP) ?? {}).flatMap(
    ([source, schema]) => {
      const automaton = patternAutomaton(context, source, { path: pointer(item.path, "patternProperties") });
      if (automaton === undefined) context.leave(item, "patternProperties");
      return automaton === undefined || automaton === "ignored" ? [] : [{ source, schema, automaton }];
    },
  );
  const unevaluated = readKeyword(item, "unevaluatedProperties", SCHEMA);
  if (unevaluated !== undefined && unevaluated !== true) context.leave(item, "unevaluatedProperties");
  return {
    item,
    properties: readKeyword(item, "properties", SCHEMA_MAP) ?? {},
    patterns,
    additional: readKeyword(item, "additionalProperties", SCHEMA),
    unevaluated,
  };
}

/**
 * Whether keys that no schema names may come. JSON Schema says yes unless told otherwise; but a model that is given properties is meant
 * to use those, so there it takes `additionalProperties` to open the object.
 */
function isOpen(sources: readonly Source[]): boolean {
  const says = (one: Child | undefined): boolean => one !== undefined && one !== false;
  if (sources.some(({ additional, unevaluated }) => says(additional) || says(unevaluated))) return true;
  return sources.every(
    ({ item, properties, patterns, additional, unevaluated }) =>
      additional === undefined &&
      unevaluated === undefined &&
      (item.derived || (Object.keys(properties).length === 0 && patterns.length === 0)),
  );
}

function isMatched(sources: readonly Source[], key: string): boolean {
  return sources.some(({ patterns }) => patterns.some(({ automaton }) => matches(automaton, key)));
}

function memberExpression(
  context: Context,
  sources: readonly Source[],
  { key, name }: { key: string; name: string },
): Expression {
  const items = sources.flatMap(({ item, properties, patterns, additional }) => {
    const own = Object.hasOwn(properties, key)
      ? context.item(properties[key] as Child, pointer(item.path, "properties", key))
      : [];
    const matched = patterns.filter(({ automaton }) => matches(automaton, key));
    const byPattern = matched.flatMap(({ source, schema }) =>
      context.item(schema, pointer(item.path, "patternProperties", source)),
    );
    if (Object.hasOwn(properties, key) || matched.length > 0) return [...own, ...byPattern];
    return additional === undefined
      ? []
      : context.item(additional, pointer(item.path, "additionalProperties"));
  });
  const value = context.compile(items, `${name}-${key}`);
  if (isNothing(value)) return NOTHING;
  return context.grammar.rule(
    `${name}-${key}-kv`,
    member(context.grammar, literal(JSON.stringify(key)), value),
  );
}

interface ExtraOptions {
  sources: readonly Source[];
  keys: readonly string[];
  names: Automaton | undefined;
  open: boolean;
  name: string;
}

/** A member under a key that is not declared. `any`: whatever key and value. */
function extraExpression(context: Context, options: ExtraOptions): Expression | "any" {
  const { sources, keys, names, open, name } = options;
  const patterns = new Map(
    sources.flatMap((one) => one.patterns.map(({ source, automaton }) => [source, automaton])),
  );
  const used = [...patterns].slice(0, PATTERN_LIMIT);
  if (used.length < patterns.size)
    sources.forEach(({ item, patterns: own }) => own.length > 0 && context.leave(item, "patternProperties"));
  const base = keys.length === 0 ? names : exclude(keys, names);
  if (base === "too large") {
    sources.forEach(
      ({ item, additional }) => additional !== undefined && context.leave(item, "additionalProperties"),
    );
    return NOTHING;
  }
  const kinds = Array.from({ length: 2 ** used.length }, (_, mask) => mask)
    .filter((mask) => mask > 0 || open)
    .map((mask) => {
      const matched = new Set(used.filter((__, at) => (mask >> at) & 1).map(([source]) => source));
      const items = sources.flatMap((source) => extraItems(context, source, matched));
      const language = used.reduce<Automaton | undefined | "none">(
        (found, [source, automaton]) =>
          narrow(found, matched.has(source) ? automaton : complement(automaton)),
        base,
      );
      return { items, language };
    });
  if (kinds.length === 1 && kinds[0]?.items.length === 0 && kinds[0].language === undefined) return "any";
  return choice(
    kinds.map(({ items, language }) => {
      if (language === "none") return NOTHING;
      const value = context.compile(items, `${name}-extra`);
      if (isNothing(value)) return NOTHING;
      const key =
        language === undefined
          ? anyString(context.grammar)
          : sequence(literal('"'), languageExpression(context, language, `${name}-key`), literal('"'));
      return member(context.grammar, key, value);
    }),
  );
}

function extraItems(context: Context, source: Source, matched: ReadonlySet<string>): Item[] {
  const { item, patterns, additional, unevaluated } = source;
  const own = patterns.filter(({ source: pattern }) => matched.has(pattern));
  if (own.length > 0)
    return own.flatMap((one) =>
      context.item(one.schema, pointer(item.path, "patternProperties", one.source)),
    );
  if (additional !== undefined) return context.item(additional, pointer(item.path, "additionalProperties"));
  return unevaluated === undefined || matched.size > 0
    ? []
    : context.item(unevaluated, pointer(item.path, "unevaluatedProperties"));
}

function exclude(keys: readonly string[], names: Automaton | undefined): Automaton | "too large" {
  const others = complement(ofTexts(keys));
  const joined = others === undefined || names === undefined ? others : intersect(others, names);
  return joined ?? "too large";
}

/** `none`: no key is left, or the sets are too large to tell. */
function narrow(
  found: Automaton | undefined | "none",
  by: Automaton | undefined,
): Automaton | undefined | "none" {
  if (found === "none" || by === undefined) return "none";
  const joined = found === undefined ? by : intersect(found, by);
  return joined === undefined || isEmpty(joined) ? "none" : joined;
}

function readDependents(items: readonly Item[]): Map<string, readonly string[]> {
  const dependents = new Map<string, readonly string[]>();
  const keywords = items.flatMap((item) =>
    ["dependentRequired", "dependencies"].map((keyword) => ({ item, keyword })),
  );
  for (const { item, keyword } of keywords) {
    for (const [key, list] of Object.entries(readKeyword(item, keyword, OBJECT) ?? {})) {
      if (TEXTS.test(list)) dependents.set(key, [...(dependents.get(key) ?? []), ...list]);
      else if (keyword === "dependentRequired")
        throw new RefusedSchema(item.path, keyword, "has to be an object of lists of strings");
    }
  }
  return dependents;
}

function leaveDependents(context: Context, items: readonly Item[]): void {
  for (const item of items)
    for (const keyword of ["dependentRequired", "dependencies"])
      if (Object.hasOwn(item.schema, keyword)) context.leave(item, keyword);
}

function toList(context: Context, shape: Shape, members: Members): Expression {
  const { range, dependents } = members;
  const count = members.members.length;
  const least = members.members.filter((one) => one.required).length;
  const min = range.min <= least ? 0 : range.min;
  // A grammar cannot tell whether two free keys are the same.
  if (range.min - least > 1 && !isNothing(members.extra))
    context.leave(range.minItem ?? { path: "#" }, "minProperties");
  const max = isNothing(members.extra) && (range.max ?? 0) >= count ? undefined : range.max;
  const counted = { ...members, range: { min, ...(max === undefined ? {} : { max }) } };
  if (count <= ANY_ORDER_LIMIT) return anyOrder(context.grammar, counted);
  const present = new Set(members.members.map(({ key }) => key));
  if ([...dependents.keys()].some((key) => present.has(key))) leaveDependents(context, shape.items);
  const isPlain = min === 0 && max === undefined;
  if (isPlain || count <= COUNTED_LIMIT) return declaredOrder(context.grammar, counted);
  if (range.minItem && min > 0) context.leave(range.minItem, "minProperties");
  if (range.maxItem && max !== undefined) context.leave(range.maxItem, "maxProperties");
  return declaredOrder(context.grammar, { ...members, range: { min: 0 } });
}
