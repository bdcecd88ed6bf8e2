/**
 * Finds many literals in one pass over a text, in time that does not depend on how many there are: the automaton of Aho and
 * Corasick, "Efficient string matching" (Communications of the ACM 18(6), 1975), over UTF-16 code units.
 */
export interface LiteralAutomaton {
  /** State 0 is the first. The next one is `table[state * width + classes[unit]]`, unless that class is `SKIPPED`. */
  readonly table: Int32Array | Uint16Array;
  readonly width: number;
  readonly classes: Uint16Array;
  /** By state: length of the longest end of what was read that begins a literal. */
  readonly depths: Int32Array;
  /** By state: length of the longest literal that ends here; 0 for none. */
  readonly matches: Int32Array;
  /** Of the longest literal. */
  readonly longest: number;
}

export interface Reading {
  /** Pairs of characters: where the first one stands, the second one is read. */
  same?: readonly (readonly [string, string])[];
  /** Characters that are read over. */
  skipped?: string;
}

/** The class of units that count as not there. */
export const SKIPPED = 0xffff;
const UNITS = 0x10000;

export function createLiteralAutomaton(
  literals: readonly string[],
  { same = [], skipped = "" }: Reading = {},
): LiteralAutomaton {
  const { width, classes } = createAlphabet(literals);
  const size = 1 + literals.reduce((sum, literal) => sum + literal.length, 0);
  const table = size < UNITS ? new Uint16Array(size * width) : new Int32Array(size * width);
  const depths = new Int32Array(size);
  const matches = new Int32Array(size);
  let states = 1;
  for (const literal of literals) {
    let state = 0;
    for (let at = 0; at < literal.length; at += 1) {
      const cell = state * width + (classes[literal.charCodeAt(at)] as number);
      if (table[cell] === 0) {
        depths[states] = at + 1;
        table[cell] = states;
        states += 1;
      }
      state = table[cell] as number;
    }
    matches[state] = literal.length;
  }
  link({ table, matches, width });
  for (const [seen, read] of same) classes[seen.charCodeAt(0)] = classes[read.charCodeAt(0)] as number;
  for (const character of skipped) classes[character.charCodeAt(0)] = SKIPPED;
  const longest = literals.reduce((most, { length }) => Math.max(most, length), 0);
  return { table, width, classes, depths, matches, longest };
}

interface LinkOptions {
  table: Int32Array | Uint16Array;
  matches: Int32Array;
  width: number;
}

/** Breadth first: where a literal does not go on, the automaton goes on with the longest end that begins another one. */
function link({ table, matches, width }: LinkOptions): void {
  const fallback = new Int32Array(matches.length);
  const queue = [...table.subarray(0, width)].filter((state) => state !== 0);
  for (let at = 0; at < queue.length; at += 1) {
    const state = queue[at] as number;
    const other = fallback[state] as number;
    if (matches[state] === 0) matches[state] = matches[other] as number;
    for (let column = 0; column < width; column += 1) {
      const cell = state * width + column;
      const child = table[cell] as number;
      const otherChild = table[other * width + column] as number;
      if (child === 0) table[cell] = otherChild;
      else {
        fallback[child] = otherChild;
        queue.push(child);
      }
    }
  }
}

/** Numbers for the units that occur; 0 for all others, so that the table stays small. */
function createAlphabet(literals: readonly string[]): { width: number; classes: Uint16Array } {
  const classes = new Uint16Array(UNITS);
  let width = 1;
  for (const literal of literals) {
    for (let at = 0; at < literal.length; at += 1) {
      const unit = literal.charCodeAt(at);
      if (classes[unit] !== 0) continue;
      classes[unit] = width;
      width += 1;
    }
  }
  return { width, classes };
}
