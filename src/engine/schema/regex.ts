/**
 * Regular expressions of ECMAScript (https://262.ecma-international.org/#sec-patterns) with the `u` flag, as JSON Schema's `pattern`
 * has them, as far as they describe regular languages. Also takes the harmless liberties of other languages, such as `\-`.
 */
import { charactersOf, complementSet, EVERY_CHARACTER, toCharSet, unionSets } from "./char-set.ts";
import type { CharSet } from "./char-set.ts";

export type Regex =
  | { kind: "set"; set: CharSet }
  | { kind: "sequence"; parts: readonly Regex[] }
  | { kind: "choice"; options: readonly Regex[] }
  /** No `max`: without end. */
  | { kind: "repeat"; part: Regex; min: number; max?: number }
  /** `^` and `$`. */
  | { kind: "start" }
  | { kind: "end" };

/** A pattern as a search: it may match anywhere, unless it is anchored. */
export interface Pattern {
  search: Regex;
  /** Lookaheads at the beginning of the text: what it has to begin with, or must not. */
  ahead: readonly { regex: Regex; negative: boolean }[];
}

export type ParsedPattern = { ok: true; pattern: Pattern } | { ok: false; why: string };

const NESTING_LIMIT = 100;
const LENGTH_LIMIT = 20_000;
const REPEAT_LIMIT = 10_000;

export function parsePattern(source: string): ParsedPattern {
  if (source.length > LENGTH_LIMIT) return { ok: false, why: `is longer than ${LENGTH_LIMIT} characters` };
  try {
    return { ok: true, pattern: new PatternParser(source).parse() };
  } catch (error) {
    if (error instanceof PatternProblem) return { ok: false, why: error.message };
    throw error;
  }
}

class PatternProblem extends Error {}

const DIGITS: CharSet = [[0x30, 0x39]];
const WORDS: CharSet = toCharSet([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);
const SPACES: CharSet = charactersOf(
  "\t\n\u000b\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff",
);
const NOT_LINE_ENDS = complementSet(charactersOf("\n\r\u2028\u2029"));

const CLASSES: Readonly<Record<string, CharSet>> = {
  d: DIGITS,
  D: complementSet(DIGITS),
  w: WORDS,
  W: complementSet(WORDS),
  s: SPACES,
  S: complementSet(SPACES),
};

const CONTROL: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };

class PatternParser {
  readonly #text: readonly string[];
  #at = 0;
  #depth = 0;
  readonly #ahead: { regex: Regex; negative: boolean }[] = [];

  constructor(source: string) {
    this.#text = Array.from(source);
  }

  parse(): Pattern {
    if (this.#take("^")) {
      this.#readAhead();
      // Only a lookahead that rules the whole pattern can be kept apart from it.
      if (this.#ahead.length === 0) this.#at = 0;
    }
    const rest = this.#choice();
    if (this.#at < this.#text.length) throw new PatternProblem("has a `)` too many");
    if (this.#ahead.length === 0) return { search: rest, ahead: [] };
    if (rest.kind === "choice") throw new PatternProblem("has a lookahead in one of several alternatives");
    return { search: { kind: "sequence", parts: [{ kind: "start" }, rest] }, ahead: this.#ahead };
  }

  #readAhead(): void {
    for (;;) {
      const negative = this.#startsWith("(?!");
      if (!negative && !this.#startsWith("(?=")) return;
      this.#at += 3;
      const body = this.#choice();
      if (!this.#take(")")) throw new PatternProblem("lacks a `)`");
      this.#ahead.push({ regex: { kind: "sequence", parts: [{ kind: "start" }, body] }, negative });
    }
  }

  #startsWith(text: string): boolean {
    return Array.from(text).every((one, at) => this.#text[this.#at + at] === one);
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #choice(): Regex {
    this.#depth += 1;
    if (this.#depth > NESTING_LIMIT)
      throw new PatternProblem(`is nested deeper than ${NESTING_LIMIT} levels`);
    const options = [this.#sequence()];
    while (this.#take("|")) options.push(this.#sequence());
    this.#depth -= 1;
    return options.length === 1 ? (options[0] as Regex) : { kind: "choice", options };
  }

  #sequence(): Regex {
    const parts: Regex[] = [];
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined || next === "|" || next === ")") return { kind: "sequence", parts };
      parts.push(this.#quantified(this.#atom(next)));
    }
  }

  #quantified(part: Regex): Regex {
    const bounds = this.#readBounds();
    if (bounds === undefined) return part;
    // Lazy or greedy, the same texts match.
    this.#take("?");
    const [min, max] = bounds;
    if (max !== undefined && max < min)
      throw new PatternProblem("has a repetition whose bounds are out of order");
    if (Math.max(min, max ?? 0) > REPEAT_LIMIT)
      throw new PatternProblem(`repeats something more than ${REPEAT_LIMIT} times`);
    if (part.kind === "start" || part.kind === "end") throw new PatternProblem("repeats an anchor");
    return { kind: "repeat", part, min, ...(max === undefined ? {} : { max }) };
  }

  #readBounds(): [number, number | undefined] | undefined {
    if (this.#take("*")) return [0, undefined];
    if (this.#take("+")) return [1, undefined];
    if (this.#take("?")) return [0, 1];
    if (this.#text[this.#at] !== "{") return undefined;
    const rest = this.#text.slice(this.#at, this.#at + 24).join("");
    const [whole, min, comma, max] = /^\{(\d+)(,?)(\d*)\}/.exec(rest) ?? [];
    if (whole === undefined) return undefined;
    this.#at += whole.length;
    if (comma === "") return [Number(min), Number(min)];
    return [Number(min), max === "" ? undefined : Number(max)];
  }

  #atom(next: string): Regex {
    this.#at += 1;
    switch (next) {
      case "^":
        return { kind: "start" };
      case "$":
        return { kind: "end" };
      case ".":
        return { kind: "set", set: NOT_LINE_ENDS };
      case "(":
        return this.#group();
      case "[":
        return { kind: "set", set: this.#characterClass() };
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        throw new PatternProblem("has a quantifier with nothing before it");
      default:
        return { kind: "set", set: charactersOf(next) };
    }
  }

  #group(): Regex {
    if (this.#take("?")) this.#groupKind();
    const body = this.#choice();
    if (!this.#take(")")) throw new PatternProblem("lacks a `)`");
    return body;
  }

  #groupKind(): void {
    if (this.#take(":")) return;
    const rest = this.#text.slice(this.#at, this.#at + 80).join("");
    const [name] = /^P?<[\p{L}_$][\p{L}\p{N}_$]*>/u.exec(rest) ?? [];
    if (name !== undefined) {
      this.#at += Array.from(name).length;
      return;
    }
    if (/^<[=!]/.test(rest)) throw new PatternProblem("has a lookbehind");
    if (/^[=!]/.test(rest)) throw new PatternProblem("has a lookahead that is not at its beginning");
    throw new PatternProblem("has a group of an unknown kind");
  }

  #escape(): Regex {
    const letter = this.#text[this.#at] ?? "";
    if (/[1-9]/.test(letter) || letter === "k") throw new PatternProblem("has a back-reference");
    if (letter === "b" || letter === "B") throw new PatternProblem("has a word boundary");
    if (letter === "A" || letter === "Z" || letter === "z") {
      this.#at += 1;
      return { kind: letter === "A" ? "start" : "end" };
    }
    return { kind: "set", set: this.#escapedSet() };
  }

  /** What stands behind a backslash, inside a class or outside. */
  #escapedSet(): CharSet {
    const letter = this.#text[this.#at];
    if (letter === undefined) throw new PatternProblem("ends in a backslash");
    this.#at += 1;
    if (Object.hasOwn(CLASSES, letter)) return CLASSES[letter] as CharSet;
    if (letter === "p" || letter === "P") return this.#property(letter === "P");
    const code = this.#escapedCode(letter);
    return toCharSet([[code, code]]);
  }

  #escapedCode(letter: string): number {
    if (Object.hasOwn(CONTROL, letter)) return CONTROL[letter] as number;
    const rest = this.#text.slice(this.#at, this.#at + 12).join("");
    if (letter === "x") return this.#hex(/^([0-9a-fA-F]{2})/.exec(rest));
    if (letter === "u") return this.#unicode(rest);
    if (letter === "c") {
      this.#at += 1;
      return (rest.codePointAt(0) ?? 0) % 32;
    }
    if (/[a-zA-Z]/.test(letter)) throw new PatternProblem(`has the unknown escape \`\\${letter}\``);
    return letter.codePointAt(0) as number;
  }

  #unicode(rest: string): number {
    const braces = /^\{([0-9a-fA-F]{1,6})\}/.exec(rest);
    if (braces !== null) return this.#hex(braces);
    const pair = /^([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})/.exec(rest);
    if (pair === null) return this.#hex(/^([0-9a-fA-F]{4})/.exec(rest));
    this.#at += pair[0].length;
    const [high, low] = [Number.parseInt(pair[1] as string, 16), Number.parseInt(pair[2] as string, 16)];
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }

  #hex(match: RegExpExecArray | null): number {
    if (match === null) throw new PatternProblem("has an incomplete escape");
    this.#at += match[0].length;
    return Number.parseInt(match[1] as string, 16);
  }

  #property(negative: boolean): CharSet {
    const rest = this.#text.slice(this.#at, this.#at + 64).join("");
    const [whole, name] = /^\{([A-Za-z0-9_=]+)\}/.exec(rest) ?? [];
    if (whole === undefined || name === undefined) throw new PatternProblem("has an incomplete `\\p`");
    this.#at += whole.length;
    const set = propertySet(name);
    return negative ? complementSet(set) : set;
  }

  #characterClass(): CharSet {
    const negative = this.#take("^");
    const sets: CharSet[] = [];
    while (!this.#take("]")) {
      const from = this.#classAtom();
      const isRange = this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]";
      if (!isRange || singleCode(from) === undefined) {
        sets.push(from);
        continue;
      }
      this.#at += 1;
      sets.push(this.#range(from, this.#classAtom()));
    }
    const set = unionSets([[], ...sets]);
    return negative ? complementSet(set) : set;
  }

  #range(from: CharSet, to: CharSet): CharSet {
    const [low, high] = [singleCode(from), singleCode(to)];
    if (low === undefined || high === undefined) return unionSets([from, charactersOf("-"), to]);
    if (high < low) throw new PatternProblem("has a range that is out of order");
    return toCharSet([[low, high]]);
  }

  #classAtom(): CharSet {
    const next = this.#text[this.#at];
    if (next === undefined) throw new PatternProblem("lacks a `]`");
    this.#at += 1;
    if (next !== "\\") return charactersOf(next);
    if (this.#text[this.#at] === "b") {
      this.#at += 1;
      return toCharSet([[8, 8]]);
    }
    return this.#escapedSet();
  }
}

function singleCode(set: CharSet): number | undefined {
  const [range] = set;
  return set.length === 1 && range !== undefined && range[0] === range[1] ? range[0] : undefined;
}

const properties = new Map<string, CharSet>();
const PROPERTY_LIMIT = 32;

/** The engine's own tables answer, one code point at a time. */
function propertySet(name: string): CharSet {
  const known = properties.get(name);
  if (known !== undefined) return known;
  if (properties.size >= PROPERTY_LIMIT) properties.clear();
  let test: RegExp;
  try {
    test = new RegExp(`^\\p{${name}}$`, "u");
  } catch {
    throw new PatternProblem(`names the unknown character property \`${name}\``);
  }
  const ranges: [number, number][] = [];
  for (const [from, to] of EVERY_CHARACTER) {
    for (let code = from; code <= to; code += 1) {
      if (!test.test(String.fromCodePoint(code))) continue;
      const last = ranges.at(-1);
      if (last !== undefined && last[1] === code - 1) last[1] = code;
      else ranges.push([code, code]);
    }
  }
  properties.set(name, ranges);
  return ranges;
}
