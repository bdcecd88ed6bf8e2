/** Grammars of strings and numbers. */
import { charClass, literal, NOTHING, sequence } from "./grammar.ts";
import type { Expression } from "./grammar.ts";
import { complement, intersect, isEmpty, lengthRange, minimize, ofLength, ofTexts } from "./automaton.ts";
import type { Automaton } from "./automaton.ts";
import { automatonExpression, regexExpression } from "./automaton-grammar.ts";
import type { Context } from "./context.ts";
import { compareDecimals, multiplesOf, rangeRegex, toDecimal } from "./decimal.ts";
import type { Decimal, NumberRange } from "./decimal.ts";
import { formatAutomaton, isAnnotation } from "./formats.ts";
import { anyInteger, anyNumber, anyString, character, encodeSet } from "./json-text.ts";
import { RefusedSchema } from "./node.ts";
import type { Item } from "./node.ts";
import { parsePattern } from "./regex.ts";
import { toAutomaton } from "./regex-automaton.ts";
import type { Shape, StringShape } from "./shape.ts";

/** Longer strings are not worth counting in a grammar; nothing that long can be asked for either. */
export const LENGTH_LIMIT = 16_384;

export function stringExpression(context: Context, shape: Shape, name: string): Expression {
  const { grammar } = context;
  const { min, max } = boundedLength(context, shape.string);
  const language = constrain(context, shape);
  if (language === undefined) {
    if (min === 0 && max === undefined) return anyString(grammar);
    return sequence(literal('"'), grammar.count(character(grammar), min, max), literal('"'));
  }
  const counted = withLength(context, language, {
    ...shape.string,
    min,
    ...(max === undefined ? {} : { max }),
  });
  if (isEmpty(counted)) {
    const [item] = [...shape.string.patterns, ...shape.string.formats].map((one) => one.item);
    context.fail(
      item ?? { path: "#" },
      shape.string.patterns.length > 0 ? "pattern" : "format",
      "leaves no string",
    );
    return NOTHING;
  }
  return sequence(literal('"'), languageExpression(context, counted, name), literal('"'));
}

/** The inside of JSON strings of this language. */
export function languageExpression(context: Context, language: Automaton, name: string): Expression {
  const { grammar } = context;
  const made = grammar.made.get(language);
  if (made !== undefined) return made;
  context.spend(language.length);
  const expression = automatonExpression(grammar, language, { name: `${name}-s`, encode: encodeSet });
  const result = language.length > 4 ? grammar.rule(`${name}-s`, expression) : expression;
  grammar.made.set(language, result);
  return result;
}

function boundedLength(context: Context, shape: StringShape): { min: number; max?: number } {
  const { min, minItem, maxItem } = shape;
  let { max } = shape;
  if (max !== undefined && max < min)
    context.fail(maxItem ?? { path: "#" }, "maxLength", "is less than `minLength`");
  if (min > LENGTH_LIMIT)
    throw new RefusedSchema(
      minItem?.path ?? "#",
      "minLength",
      `is more than ${LENGTH_LIMIT}, the most that is supported`,
    );
  if (max !== undefined && max > LENGTH_LIMIT) {
    context.leave(maxItem ?? { path: "#" }, "maxLength");
    max = undefined;
  }
  return { min, ...(max === undefined ? {} : { max }) };
}

/** Patterns, formats and excluded values as one automaton; `undefined`: nothing but lengths, which are not part of it. */
export function constrain(context: Context, { string, excluded }: Shape): Automaton | undefined {
  let language: Automaton | undefined;
  const add = (one: Automaton | undefined, item: Pick<Item, "path">, keyword: string): void => {
    const joined = one === undefined || language === undefined ? one : intersect(language, one);
    if (joined === undefined) context.leave(item, keyword);
    else language = joined;
  };
  for (const { name, item } of string.formats) {
    const format = formatAutomaton(name);
    if (format !== undefined) add(format, item, "format");
    else if (name === "regex") context.leave(item, "format");
    else if (!isAnnotation(name)) context.ignore(item, "format", `is not known: \`${name.slice(0, 80)}\``);
  }
  for (const { source, negative, item } of string.patterns) {
    const parsed = patternAutomaton(context, source, item);
    if (parsed === "ignored") continue;
    add(negative && parsed !== undefined ? complement(parsed) : parsed, item, "pattern");
  }
  const texts = excluded.map(({ value }) => value).filter((value) => typeof value === "string");
  if (texts.length > 0) add(complement(ofTexts(texts)), { path: excluded[0]?.path ?? "#" }, "not");
  return language;
}

/** `undefined`: too large for a grammar. */
export function patternAutomaton(
  context: Context,
  source: string,
  item: Pick<Item, "path">,
): Automaton | "ignored" | undefined {
  if (context.automata.has(source)) return context.automata.get(source);
  const parsed = parsePattern(source);
  if (!parsed.ok) {
    context.ignore(item, "pattern", `${parsed.why}: \`${source.slice(0, 80)}\``);
    return "ignored";
  }
  context.spend(Math.min(2000, source.length));
  const automaton = toAutomaton(parsed.pattern);
  // One that is too large has cost much and is no use.
  context.spend(automaton?.length ?? 5000);
  context.automata.set(source, automaton);
  return automaton;
}

function withLength(context: Context, language: Automaton, shape: StringShape): Automaton {
  const { min, max, minItem, maxItem } = shape;
  const own = lengthRange(language);
  const isLongEnough = own.min >= min;
  const isShortEnough = max === undefined || (own.max ?? Infinity) <= max;
  if (isLongEnough && isShortEnough) return language;
  const size = language.length * ((isShortEnough ? min : max) + 2);
  const counted =
    size > 40_000 ? undefined : intersect(language, ofLength(min, isShortEnough ? undefined : max));
  if (counted !== undefined) return counted;
  if (!isLongEnough) context.leave(minItem ?? { path: "#" }, "minLength");
  if (!isShortEnough) context.leave(maxItem ?? { path: "#" }, "maxLength");
  return language;
}

export function numberExpression(context: Context, { number, excluded }: Shape, name: string): Expression {
  const { grammar } = context;
  const { integer, min, max, steps } = number;
  for (const { value, path } of excluded) if (typeof value === "number") context.unenforced.add(path);
  if (min === undefined && max === undefined && steps.length === 0)
    return integer ? anyInteger(grammar) : anyNumber(grammar);
  // Beyond these a double is no longer the number that was written.
  const clamp = steps.length === 0 ? undefined : toDecimal(integer ? Number.MAX_SAFE_INTEGER : 999_999_999);
  const range = rangeRegex({ integer, ...tighten(number, clamp) });
  if (range === undefined) return NOTHING;
  const key = `number ${JSON.stringify([integer, min, max, steps.map(({ value }) => value)])}`;
  const known = grammar.made.get(key);
  if (known !== undefined) return known;
  let language: Automaton | undefined;
  for (const { value, item } of steps) {
    const multiples = multiplesOf(toDecimal(value), integer);
    const joined =
      multiples &&
      intersect(minimize(multiples), language ?? toAutomaton({ search: anchored(range), ahead: [] }) ?? []);
    if (joined === undefined) context.leave(item, "multipleOf");
    else language = joined;
    if (joined !== undefined && isEmpty(joined))
      context.fail(item, "multipleOf", "leaves no number in the range");
  }
  const body =
    language === undefined
      ? regexExpression(range)
      : automatonExpression(grammar, language, { name: `${name}-n`, encode: charClass });
  const expression = grammar.rule(`${integer ? "int" : "num"}-range`, body);
  grammar.made.set(key, expression);
  return expression;
}

function tighten(
  { min, max }: Pick<NumberRange, "min" | "max">,
  clamp: Decimal | undefined,
): Pick<NumberRange, "min" | "max"> {
  if (clamp === undefined) return { ...(min ? { min } : {}), ...(max ? { max } : {}) };
  const least = { ...clamp, negative: true };
  return {
    min: min === undefined || compareDecimals(min, least) < 0 ? least : min,
    max: max === undefined || compareDecimals(max, clamp) > 0 ? clamp : max,
  };
}

function anchored(regex: Parameters<typeof regexExpression>[0]): Parameters<typeof regexExpression>[0] {
  return { kind: "sequence", parts: [{ kind: "start" }, regex, { kind: "end" }] };
}
