/**
 * Grammars in GBNF, llama.cpp's grammar language (https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md), built as
 * expressions and written as text at the end. What cannot be completed is pruned then, so a model never steps into a dead end.
 */
import type { CharSet } from "./char-set.ts";

export type Expression =
  | { kind: "text"; text: string }
  | { kind: "set"; set: CharSet }
  | { kind: "rule"; name: string }
  | { kind: "sequence"; parts: readonly Expression[] }
  | { kind: "choice"; options: readonly Expression[] }
  /** No `max`: without end. */
  | { kind: "repeat"; part: Expression; min: number; max?: number };

/** Derives nothing at all. */
export const NOTHING: Expression = { kind: "choice", options: [] };
export const EMPTY: Expression = { kind: "text", text: "" };

/** llama.cpp refuses repetitions whose rules add up to 2,000, and makes a rule for each time, so larger ones are made of blocks. */
const REPEAT_LIMIT = 256;

export function literal(text: string): Expression {
  return { kind: "text", text };
}

export function charClass(set: CharSet): Expression {
  return set.length === 0 ? NOTHING : { kind: "set", set };
}

export function isNothing(expression: Expression): boolean {
  return expression.kind === "choice" && expression.options.length === 0;
}

export function sequence(...parts: readonly Expression[]): Expression {
  if (parts.some(isNothing)) return NOTHING;
  const flat: Expression[] = [];
  for (const part of parts.flatMap((one) => (one.kind === "sequence" ? one.parts : [one]))) {
    const last = flat.at(-1);
    if (part.kind !== "text") flat.push(part);
    else if (last?.kind === "text") flat[flat.length - 1] = literal(last.text + part.text);
    else if (part.text !== "") flat.push(part);
  }
  return flat.length === 0
    ? EMPTY
    : flat.length === 1
      ? (flat[0] as Expression)
      : { kind: "sequence", parts: flat };
}

export function choice(options: readonly Expression[]): Expression {
  const flat = options.flatMap((one) => (one.kind === "choice" ? one.options : [one]));
  return flat.length === 1 ? (flat[0] as Expression) : { kind: "choice", options: flat };
}

export function optional(part: Expression): Expression {
  return repeat(part, 0, 1);
}

/** One repetition as GBNF writes it; `Grammar.count` is the one for bounds that come from outside. */
export function repeat(part: Expression, min: number, max?: number): Expression {
  if (max === 0 || (part.kind === "text" && part.text === "")) return EMPTY;
  if (isNothing(part)) return min === 0 ? EMPTY : NOTHING;
  if (min === 1 && max === 1) return part;
  if (part.kind === "repeat" && part.min === 0 && min <= 1 && max === 1) return part;
  return { kind: "repeat", part, min, ...(max === undefined ? {} : { max }) };
}

/** The rules of one grammar while it is made. */
export class Grammar {
  readonly #rules = new Map<string, Expression>();
  readonly #copies = new Map<string, number>();
  /** Expressions that were made for something, so that it is not made twice. */
  readonly made = new Map<unknown, Expression>();
  #size = 0;

  /** How many expressions its rules are made of. */
  get size(): number {
    return this.#size;
  }

  /** A rule that is defined later, because its body refers to it. Its name may differ from the wanted one. */
  reserve(wanted: string): { kind: "rule"; name: string } {
    const base = wanted.replaceAll(/[^a-zA-Z0-9]+/g, "-").slice(0, 48) || "rule";
    let name = base;
    for (let copy = this.#copies.get(base) ?? 1; this.#rules.has(name) || name === "root"; copy += 1) {
      name = `${base}-${copy + 1}`;
      this.#copies.set(base, copy + 1);
    }
    this.#rules.set(name, NOTHING);
    return { kind: "rule", name };
  }

  define(rule: { name: string }, body: Expression): void {
    this.#size += sizeOf(body);
    this.#rules.set(rule.name, body);
  }

  rule(wanted: string, body: Expression): Expression {
    if (isNothing(body)) return NOTHING;
    const rule = this.reserve(wanted);
    this.define(rule, body);
    return rule;
  }

  /** A rule of fixed content under a name that nothing else uses; made once. */
  shared(name: string, make: () => Expression): Expression {
    const key = `std-${name}`;
    if (!this.#rules.has(key)) {
      this.#rules.set(key, NOTHING);
      this.define({ name: key }, make());
    }
    return { kind: "rule", name: key };
  }

  /** `part` from `min` to `max` times, in blocks where GBNF's own repetition would be too long. */
  count(part: Expression, min: number, max?: number): Expression {
    if (max !== undefined && max < min) return NOTHING;
    const one = max === 1 || part.kind === "rule" || part.kind === "set" ? part : this.rule("one", part);
    if (max === undefined) return sequence(this.#exactly(one, min), repeat(one, 0));
    if (max <= REPEAT_LIMIT) return repeat(one, min, max);
    return sequence(this.#exactly(one, min), this.#upTo(one, max - min));
  }

  #exactly(part: Expression, times: number): Expression {
    if (times <= REPEAT_LIMIT) return repeat(part, times, times);
    const blocks = Math.floor(times / REPEAT_LIMIT);
    const rest = times % REPEAT_LIMIT;
    return sequence(this.count(this.#block(part), blocks, blocks), repeat(part, rest, rest));
  }

  #upTo(part: Expression, times: number): Expression {
    if (times <= REPEAT_LIMIT) return repeat(part, 0, times);
    const blocks = Math.floor(times / REPEAT_LIMIT);
    const block = this.#block(part);
    return choice([
      sequence(this.count(block, 0, blocks - 1), repeat(part, 0, REPEAT_LIMIT - 1)),
      sequence(this.count(block, blocks, blocks), repeat(part, 0, times % REPEAT_LIMIT)),
    ]);
  }

  #block(part: Expression): Expression {
    return this.rule("block", repeat(part, REPEAT_LIMIT, REPEAT_LIMIT));
  }

  /** Whether any text at all can be derived from the expression. */
  isProductive(expression: Expression): boolean {
    return !isNothing(prune(expression, this.#productiveRules(expression)));
  }

  /** The whole grammar, `root` first, with only the rules that it needs. */
  toText(root: Expression): string {
    const productive = this.#productiveRules(root);
    const lines = [`root ::= ${write(prune(root, productive), false)}`];
    const seen = new Set<string>();
    const pending = [...references(root)];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (seen.has(name) || !productive.has(name)) continue;
      seen.add(name);
      const body = prune(this.#rules.get(name) as Expression, productive);
      lines.push(`${name} ::= ${write(body, false)}`);
      pending.push(...references(body));
    }
    return lines.join("\n");
  }

  /** Of the rules that the expression leads to, those that can be completed. */
  #productiveRules(root: Expression): ReadonlySet<string> {
    const productive = new Set<string>();
    const users = new Map<string, string[]>();
    const reached = references(root);
    for (const name of reached) {
      for (const used of references(this.#rules.get(name) as Expression)) {
        reached.add(used);
        const list = users.get(used);
        if (list === undefined) users.set(used, [name]);
        else list.push(name);
      }
    }
    const pending = [...reached];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (productive.has(name)) continue;
      if (isNothing(prune(this.#rules.get(name) as Expression, productive))) continue;
      productive.add(name);
      pending.push(...(users.get(name) ?? []));
    }
    return productive;
  }
}

function sizeOf(expression: Expression): number {
  if (expression.kind === "sequence") return 1 + expression.parts.reduce((sum, one) => sum + sizeOf(one), 0);
  if (expression.kind === "choice") return 1 + expression.options.reduce((sum, one) => sum + sizeOf(one), 0);
  if (expression.kind === "repeat") return 1 + sizeOf(expression.part);
  return expression.kind === "set" ? 1 + expression.set.length : 1;
}

function references(expression: Expression): Set<string> {
  const found = new Set<string>();
  const look = (one: Expression): void => {
    if (one.kind === "rule") found.add(one.name);
    else if (one.kind === "sequence") one.parts.forEach(look);
    else if (one.kind === "choice") one.options.forEach(look);
    else if (one.kind === "repeat") look(one.part);
  };
  look(expression);
  return found;
}

function prune(expression: Expression, productive: ReadonlySet<string>): Expression {
  switch (expression.kind) {
    case "rule":
      return productive.has(expression.name) ? expression : NOTHING;
    case "sequence":
      return sequence(...expression.parts.map((one) => prune(one, productive)));
    case "choice":
      return choice(expression.options.map((one) => prune(one, productive)));
    case "repeat":
      return repeat(prune(expression.part, productive), expression.min, expression.max);
    default:
      return expression;
  }
}

function write(expression: Expression, nested: boolean): string {
  switch (expression.kind) {
    case "text":
      return toLiteral(expression.text);
    case "set":
      return writeSet(expression.set);
    case "rule":
      return expression.name;
    case "sequence": {
      const text = expression.parts.map((one) => write(one, true)).join(" ");
      return nested ? `(${text})` : text;
    }
    case "choice": {
      const options = [...new Set(expression.options.map((one) => writeOption(one)))];
      const text = options.join(" | ");
      return nested && options.length > 1 ? `(${text})` : text;
    }
    default: {
      const part = write(expression.part, true);
      const bounds = writeBounds(expression.min, expression.max);
      return expression.part.kind === "repeat" ? `(${part})${bounds}` : `${part}${bounds}`;
    }
  }
}

function writeOption(expression: Expression): string {
  return write(expression, expression.kind === "choice");
}

function writeBounds(min: number, max: number | undefined): string {
  if (max === undefined) return min === 0 ? "*" : min === 1 ? "+" : `{${min},}`;
  if (min === 0 && max === 1) return "?";
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

/** A text as a GBNF literal. */
export function toLiteral(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what has to be escaped
  return `"${text.replace(/["\\\u0000-\u001f\u007f]/g, escapeInLiteral)}"`;
}

function escapeInLiteral(character: string): string {
  if (character === '"' || character === "\\") return `\\${character}`;
  return `\\x${hex(character.charCodeAt(0), 2)}`;
}

/** Never as `[^…]`: llama.cpp takes bytes that are no UTF-8 for characters beyond the last one, and that would let them in. */
function writeSet(set: CharSet): string {
  return `[${set.map(writeRange).join("")}]`;
}

function writeRange([from, to]: readonly [number, number]): string {
  return from === to ? writeCharacter(from) : `${writeCharacter(from)}-${writeCharacter(to)}`;
}

function writeCharacter(code: number): string {
  if (code < 0x80) {
    const character = String.fromCharCode(code);
    return /[a-zA-Z0-9_ .,:;!@/+]/.test(character) ? character : `\\x${hex(code, 2)}`;
  }
  return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, "0");
}
