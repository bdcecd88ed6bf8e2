/** What the parts of the compiler share while one schema is turned into a grammar. */
import type { Expression, Grammar } from "./grammar.ts";
import type { Automaton } from "./automaton.ts";
import { lookUp, RefusedSchema } from "./node.ts";
import type { Item, SchemaObject, SchemaRefusal } from "./node.ts";

/** Derived schemas: what a part of a rule is made to, once. */
type Make = () => SchemaObject;

const WORK_LIMIT = 100_000;
const SIZE_LIMIT = 400_000;

export class Context {
  readonly grammar: Grammar;
  readonly root: unknown;
  readonly strict: boolean;
  /** Pointers of keywords that the grammar does not keep. */
  readonly unenforced = new Set<string>();
  /** Pointers of keywords that nobody can keep. */
  readonly ignored = new Set<string>();
  /** The first thing that made a part of the schema impossible, to name it if the whole is. */
  impossible: SchemaRefusal | undefined;
  readonly rules = new Map<string, Expression>();
  readonly automata = new Map<string, Automaton | undefined>();
  /** All values that fit, where the schemas list them. */
  readonly valuesOf: (items: readonly Item[]) => readonly unknown[] | undefined;
  /** Turns a conjunction of schemas into an expression. */
  readonly compile: (items: readonly Item[], name: string) => Expression;
  readonly #ids = new WeakMap<object, number>();
  readonly #derived = new Map<string, SchemaObject>();
  #nextId = 0;
  #work = 0;

  constructor(
    grammar: Grammar,
    options: {
      root: unknown;
      strict: boolean;
      compile: (context: Context, items: readonly Item[], name: string) => Expression;
      valuesOf: (context: Context, items: readonly Item[]) => readonly unknown[] | undefined;
    },
  ) {
    this.grammar = grammar;
    this.root = options.root;
    this.strict = options.strict;
    this.valuesOf = (items) => options.valuesOf(this, items);
    this.compile = (items, name) => options.compile(this, items, name);
  }

  /** Counts work, so that a schema that multiplies out ends as one clear error. */
  spend(amount: number): void {
    this.#work += amount;
    if (this.#work > WORK_LIMIT || this.grammar.size > SIZE_LIMIT)
      throw new RefusedSchema("#", "schema", "makes a grammar that is too large");
  }

  /** `true` is no item: every value fits. */
  item(
    schema: SchemaObject | boolean,
    path: string,
    flags: { negated?: boolean; derived?: boolean } = {},
  ): Item[] {
    const { negated = false, derived = false } = flags;
    if (schema === !negated) return [];
    const object = typeof schema === "boolean" ? NEVER : schema;
    const isNever = typeof schema === "boolean";
    const key = `${this.#idOf(object)}${negated && !isNever ? "!" : ""}`;
    return [{ schema: object, path, negated: negated && !isNever, derived, key }];
  }

  /** An item of a schema that is made from a keyword of another one; the same again when asked again. */
  derive(item: Item, purpose: string, make: Make): Item {
    const key = `${item.key} ${purpose}`;
    const schema = this.#derived.get(key) ?? make();
    this.#derived.set(key, schema);
    return this.item(schema, item.path, { derived: true })[0] as Item;
  }

  resolve(item: Item, reference: string): Item[] {
    const { value, path } = lookUp(this.root, reference, item.path);
    if (typeof value !== "boolean" && (typeof value !== "object" || value === null || Array.isArray(value)))
      throw new RefusedSchema(item.path, "$ref", `leads to no schema: \`${reference.slice(0, 200)}\``);
    return this.item(value as SchemaObject | boolean, path, { negated: item.negated, derived: item.derived });
  }

  fail(item: Pick<Item, "path">, keyword: string, why: string): void {
    this.impossible ??= { path: item.path, keyword, why };
  }

  /** The grammar leaves this to validation. */
  leave(item: Pick<Item, "path">, keyword: string): void {
    this.unenforced.add(`${item.path}/${keyword}`);
  }

  /** Nobody can keep this: refused where strictness is asked for. */
  ignore(item: Pick<Item, "path">, keyword: string, why: string): void {
    if (this.strict) throw new RefusedSchema(item.path, keyword, why);
    this.ignored.add(`${item.path}/${keyword}`);
  }

  #idOf(schema: object): number {
    const known = this.#ids.get(schema);
    if (known !== undefined) return known;
    this.#ids.set(schema, this.#nextId);
    return this.#nextId++;
  }
}

/** Fits no value. */
export const NEVER: SchemaObject = { type: [] };
