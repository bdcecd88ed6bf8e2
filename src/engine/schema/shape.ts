/** The plain keywords of all schemas of one branch, joined into one description of each type of value. */
import { NEVER } from "./context.ts";
import type { Context } from "./context.ts";
import type { Branch } from "./branches.ts";
import { compareDecimals, nextDouble, toDecimal } from "./decimal.ts";
import type { Decimal } from "./decimal.ts";
import { INTEGER_FORMATS } from "./formats.ts";
import { EXCLUDED, UNMATCHED } from "./negate.ts";
import type { DerivedSchema } from "./negate.ts";
import { COUNT, LIST, NUMBER, readKeyword, readTypes, TEXT, TYPES } from "./node.ts";
import type { Item, TypeName } from "./node.ts";

export interface Shape {
  items: readonly Item[];
  types: ReadonlySet<TypeName>;
  /** Values listed by `enum` and `const`, where there are any. */
  values?: readonly unknown[];
  /** Values that `not` rules out, and where. */
  excluded: readonly { value: unknown; path: string }[];
  number: NumberShape;
  string: StringShape;
}

export interface NumberShape {
  integer: boolean;
  min?: Decimal;
  max?: Decimal;
  steps: readonly { value: number; item: Item }[];
}

export interface StringShape {
  min: number;
  max?: number;
  /** Where `min` and `max` come from. */
  minItem?: Item;
  maxItem?: Item;
  patterns: readonly { source: string; negative: boolean; item: Item }[];
  formats: readonly { name: string; item: Item }[];
}

export function toShape(context: Context, branch: Branch): Shape {
  const types = new Set<TypeName>(TYPES);
  let integer = false;
  for (const item of branch) {
    const listed = readTypes(item);
    if (listed === undefined) continue;
    if (!listed.includes("number")) {
      if (listed.includes("integer")) integer = true;
      else types.delete("number");
    }
    for (const type of TYPES) {
      if (type !== "number" && !listed.includes(type)) types.delete(type);
    }
    if (types.size === 0 && item.schema !== NEVER)
      context.fail(item, "type", "leaves no type that fits the other keywords");
  }
  const values = listValues(branch);
  return {
    items: branch,
    types,
    ...(values === undefined ? {} : { values }),
    excluded: branch.flatMap(({ schema, path }) =>
      ((schema as DerivedSchema)[EXCLUDED] ?? []).map((value) => ({ value, path })),
    ),
    number: toNumberShape(context, branch, integer),
    string: toStringShape(branch),
  };
}

/** The values of the first list; the others are checked like all else. */
function listValues(branch: Branch): readonly unknown[] | undefined {
  for (const item of branch) {
    if (Object.hasOwn(item.schema, "const")) return [item.schema["const"]];
    const list = readKeyword(item, "enum", LIST);
    if (list !== undefined) return list;
  }
  return undefined;
}

function toNumberShape(context: Context, branch: Branch, integer: boolean): NumberShape {
  let min: Decimal | undefined;
  let max: Decimal | undefined;
  const steps: { value: number; item: Item }[] = [];
  const raise = (to: Decimal): void => {
    if (min === undefined || compareDecimals(to, min) > 0) min = to;
  };
  const lower = (to: Decimal): void => {
    if (max === undefined || compareDecimals(to, max) < 0) max = to;
  };
  for (const item of branch) {
    const { minimum, maximum } = readBounds(item);
    if (minimum !== undefined) raise(toDecimal(minimum));
    if (maximum !== undefined) lower(toDecimal(maximum));
    const format = item.schema["format"];
    if (typeof format === "string" && Object.hasOwn(INTEGER_FORMATS, format)) {
      const [least, most] = INTEGER_FORMATS[format] as readonly [string, string];
      raise(toDecimal(least));
      lower(toDecimal(most));
    }
    const step = readKeyword(item, "multipleOf", NUMBER);
    if (step !== undefined && step <= 0) context.fail(item, "multipleOf", "has to be more than 0");
    if (step !== undefined) steps.push({ value: step, item });
    if (min !== undefined && max !== undefined && compareDecimals(min, max) > 0)
      context.fail(
        item,
        minimum === undefined ? "maximum" : "minimum",
        "leaves no number: the range is empty",
      );
  }
  return { integer, steps, ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
}

/** Both bounds as inclusive ones. */
function readBounds(item: Item): { minimum?: number; maximum?: number } {
  const { schema } = item;
  const result: { minimum?: number; maximum?: number } = {};
  // Draft 4 has a boolean beside the bound.
  const [low, high] = [readKeyword(item, "minimum", NUMBER), readKeyword(item, "maximum", NUMBER)];
  if (low !== undefined) result.minimum = schema["exclusiveMinimum"] === true ? nextDouble(low, 1) : low;
  if (high !== undefined) result.maximum = schema["exclusiveMaximum"] === true ? nextDouble(high, -1) : high;
  if (typeof schema["exclusiveMinimum"] !== "boolean") {
    const above = readKeyword(item, "exclusiveMinimum", NUMBER);
    if (above !== undefined) result.minimum = Math.max(result.minimum ?? -Infinity, nextDouble(above, 1));
  }
  if (typeof schema["exclusiveMaximum"] !== "boolean") {
    const below = readKeyword(item, "exclusiveMaximum", NUMBER);
    if (below !== undefined) result.maximum = Math.min(result.maximum ?? Infinity, nextDouble(below, -1));
  }
  return result;
}

function toStringShape(branch: Branch): StringShape {
  const patterns: { source: string; negative: boolean; item: Item }[] = [];
  const formats: { name: string; item: Item }[] = [];
  for (const item of branch) {
    const source = readKeyword(item, "pattern", TEXT);
    if (source !== undefined) patterns.push({ source, negative: false, item });
    const unmatched = (item.schema as DerivedSchema)[UNMATCHED];
    if (unmatched !== undefined) patterns.push({ source: unmatched, negative: true, item });
    const name = readKeyword(item, "format", TEXT);
    if (name !== undefined) formats.push({ name, item });
  }
  return { ...readRange(branch, "minLength", "maxLength"), patterns, formats };
}

/** The tightest of several bounds on a count. */
export function readRange(
  items: readonly Item[],
  least: string,
  most: string,
): { min: number; max?: number; minItem?: Item; maxItem?: Item } {
  let result: { min: number; max?: number; minItem?: Item; maxItem?: Item } = { min: 0 };
  for (const item of items) {
    const [min, max] = [readKeyword(item, least, COUNT), readKeyword(item, most, COUNT)];
    if (min !== undefined && min > result.min) result = { ...result, min, minItem: item };
    if (max !== undefined && max < (result.max ?? Infinity)) result = { ...result, max, maxItem: item };
  }
  return result;
}
