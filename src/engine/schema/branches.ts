/**
 * A conjunction of schemas multiplied out: references followed, `allOf` joined, `anyOf`, `oneOf` and conditions split. Each branch is
 * a list of schemas of which only the plain keywords are left to look at.
 */
import type { Context } from "./context.ts";
import { negatedOptions } from "./negate.ts";
import { areDisjoint } from "./disjoint.ts";
import { LIST, readKeyword, RefusedSchema, SCHEMA, SCHEMA_MAP, SCHEMAS, TEXT, pointer } from "./node.ts";
import type { Item, SchemaObject } from "./node.ts";

export type Branch = readonly Item[];

/** More alternatives than this are left to validation. */
const BRANCH_LIMIT = 256;

export function expand(context: Context, items: readonly Item[]): Branch[] {
  return new Expansion(context).all(items);
}

class Expansion {
  readonly #context: Context;
  readonly #known = new Map<string, Branch[] | "open">();

  constructor(context: Context) {
    this.#context = context;
  }

  all(items: readonly Item[]): Branch[] {
    let branches: Branch[] = [[]];
    for (const item of items) {
      const crossed = this.#cross(branches, this.#one(item));
      if (crossed === undefined) this.#context.unenforced.add(item.path);
      else branches = crossed;
    }
    return branches;
  }

  #one(item: Item): Branch[] {
    const known = this.#known.get(item.key);
    if (known === "open") {
      this.#context.fail(item, "$ref", "leads back to itself without a value in between");
      return [];
    }
    if (known !== undefined) return known;
    this.#context.spend(1);
    this.#known.set(item.key, "open");
    const branches = item.negated ? this.#negated(item) : this.#positive(item);
    this.#known.set(item.key, branches);
    return branches;
  }

  #negated(item: Item): Branch[] {
    const options = negatedOptions(this.#context, item);
    return options === "unknown" ? [[]] : options.flatMap((option) => this.all(option));
  }

  #positive(item: Item): Branch[] {
    let branches: Branch[] = [[item]];
    for (const { keyword, options } of this.#parts(item)) {
      const alternatives = options.flatMap((option) => this.all(option));
      const crossed = this.#cross(branches, alternatives);
      if (crossed === undefined) this.#context.leave(item, keyword);
      else branches = crossed;
    }
    return branches;
  }

  /** Keywords that bring further schemas to bear on the same value: each a list of options, each option a conjunction. */
  #parts(item: Item): { keyword: string; options: Item[][] }[] {
    const { schema, path } = item;
    const context = this.#context;
    const parts: { keyword: string; options: Item[][] }[] = [];
    for (const keyword of ["$dynamicRef", "$recursiveRef"]) {
      if (Object.hasOwn(schema, keyword))
        throw new RefusedSchema(path, keyword, "is not supported; use `$ref`");
    }
    const reference = readKeyword(item, "$ref", TEXT);
    if (reference !== undefined) parts.push({ keyword: "$ref", options: [context.resolve(item, reference)] });
    const inherit = { derived: item.derived };
    const child = (one: SchemaObject | boolean, ...keys: (string | number)[]): Item[] =>
      context.item(one, pointer(path, ...keys), inherit);
    for (const [at, one] of (readKeyword(item, "allOf", SCHEMAS) ?? []).entries())
      parts.push({ keyword: "allOf", options: [child(one, "allOf", at)] });
    for (const keyword of ["anyOf", "oneOf"]) {
      const list = readKeyword(item, keyword, SCHEMAS);
      if (list === undefined) continue;
      if (list.length === 0) context.fail(item, keyword, "is an empty list, so nothing can fit");
      if (keyword === "oneOf" && !areDisjoint(context.root, list)) context.leave(item, keyword);
      parts.push({ keyword, options: list.map((one, at) => child(one, keyword, at)) });
    }
    const not = readKeyword(item, "not", SCHEMA);
    if (not !== undefined)
      parts.push({
        keyword: "not",
        options: [context.item(not, pointer(path, "not"), { ...inherit, negated: true })],
      });
    return [...parts, ...this.#conditions(item, child)];
  }

  #conditions(
    item: Item,
    child: (one: SchemaObject | boolean, ...keys: (string | number)[]) => Item[],
  ): { keyword: string; options: Item[][] }[] {
    const context = this.#context;
    const parts: { keyword: string; options: Item[][] }[] = [];
    const condition = readKeyword(item, "if", SCHEMA);
    const [then, otherwise] = [readKeyword(item, "then", SCHEMA), readKeyword(item, "else", SCHEMA)];
    if (condition !== undefined && (then !== undefined || otherwise !== undefined)) {
      const path = pointer(item.path, "if");
      const holds = context.item(condition, path, { derived: true });
      const fails = context.item(condition, path, { derived: true, negated: true });
      const options = [
        [...holds, ...child(then ?? true, "then")],
        [...fails, ...child(otherwise ?? true, "else")],
      ];
      parts.push({ keyword: "if", options });
    }
    for (const keyword of ["dependentSchemas", "dependencies"]) {
      const map = readKeyword(item, keyword, keyword === "dependencies" ? ANY_MAP : SCHEMA_MAP);
      for (const [key, one] of Object.entries(map ?? {})) {
        if (Array.isArray(one) || !SCHEMA.test(one)) continue;
        const absent = context.derive(item, `no ${key}`, () => ({ properties: { [key]: false } }));
        const present = context.derive(item, `has ${key}`, () => ({ type: "object", required: [key] }));
        parts.push({ keyword, options: [[absent], [present, ...child(one, keyword, key)]] });
      }
    }
    return parts;
  }

  #cross(branches: readonly Branch[], others: readonly Branch[]): Branch[] | undefined {
    const product = branches.length * others.length;
    const multiplies = branches.length > 1 && others.length > 1;
    if (product > (multiplies ? BRANCH_LIMIT : 4 * BRANCH_LIMIT)) return undefined;
    this.#context.spend(branches.length * others.length);
    return branches.flatMap((branch) => others.map((other) => join(branch, other)));
  }
}

const ANY_MAP = {
  test: (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null && !LIST.test(value),
  what: "an object",
};

function join(one: Branch, other: Branch): Branch {
  if (other.length === 0) return one;
  if (one.length === 0) return other;
  const keys = new Set(one.map(({ key }) => key));
  return [...one, ...other.filter(({ key }) => !keys.has(key))];
}
