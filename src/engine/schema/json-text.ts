/** The parts of JSON's own grammar that schemas are made of. */
import { charClass, choice, EMPTY, literal, optional, repeat, sequence } from "./grammar.ts";
import type { Expression, Grammar } from "./grammar.ts";
import { charactersOf, complementSet, intersectSets, toCharSet, unionSets } from "./char-set.ts";
import type { CharSet } from "./char-set.ts";

const DIGITS = charClass(toCharSet([[0x30, 0x39]]));
const HEX = charClass(charactersOf("0123456789abcdefABCDEF"));

/** What cannot stand in a JSON string as it is. */
const SPECIAL: CharSet = unionSets([toCharSet([[0, 0x1f]]), charactersOf('"\\')]);

/** Bounded, so that a small model cannot lose itself in white space. */
export function space(grammar: Grammar): Expression {
  return grammar.shared("ws", () =>
    optional(choice([literal(" "), sequence(literal("\n"), repeat(charClass(charactersOf(" \t")), 0, 16))])),
  );
}

/** One character of a string, escaped or not: one code point, a pair of surrogate escapes included. */
export function character(grammar: Grammar): Expression {
  return grammar.shared("char", () => {
    const rest = repeat(HEX, 2, 2);
    const notSurrogate = choice([
      sequence(charClass(charactersOf("0123456789abcefABCEF")), repeat(HEX, 3, 3)),
      sequence(charClass(charactersOf("dD")), charClass(charactersOf("01234567")), rest),
    ]);
    const d = charClass(charactersOf("dD"));
    const high = sequence(d, charClass(charactersOf("89abAB")), rest);
    const low = sequence(d, charClass(charactersOf("cdefCDEF")), rest);
    const unicode = choice([notSurrogate, sequence(high, literal("\\u"), low)]);
    const escape = choice([charClass(charactersOf('"\\/bfnrt')), sequence(literal("u"), unicode)]);
    return choice([charClass(complementSet(SPECIAL)), sequence(literal("\\"), escape)]);
  });
}

export function anyString(grammar: Grammar): Expression {
  return grammar.shared("string", () => sequence(literal('"'), repeat(character(grammar), 0), literal('"')));
}

export function anyInteger(grammar: Grammar): Expression {
  return grammar.shared("integer", () =>
    choice([
      literal("0"),
      sequence(optional(literal("-")), charClass(toCharSet([[0x31, 0x39]])), repeat(DIGITS, 0, 20)),
    ]),
  );
}

export function anyNumber(grammar: Grammar): Expression {
  return grammar.shared("number", () =>
    sequence(
      optional(literal("-")),
      choice([literal("0"), sequence(charClass(toCharSet([[0x31, 0x39]])), repeat(DIGITS, 0, 20))]),
      // A double that is written without an exponent has up to 23.
      optional(sequence(literal("."), repeat(DIGITS, 1, 25))),
      optional(
        sequence(
          charClass(charactersOf("eE")),
          optional(charClass(charactersOf("+-"))),
          // Nothing that a double cannot hold.
          choice([
            sequence(literal("1"), repeat(DIGITS, 0, 2)),
            sequence(literal("2"), charClass(charactersOf("01234567")), DIGITS),
            repeat(DIGITS, 1, 2),
          ]),
        ),
      ),
    ),
  );
}

export function anyArray(grammar: Grammar): Expression {
  return grammar.shared("array", () => {
    const ws = space(grammar);
    const value = anyValue(grammar);
    const more = repeat(sequence(ws, literal(","), ws, value), 0);
    return sequence(literal("["), ws, optional(sequence(value, more, ws)), literal("]"));
  });
}

export function anyObject(grammar: Grammar): Expression {
  return grammar.shared("object", () => {
    const ws = space(grammar);
    const pair = member(grammar, anyString(grammar), anyValue(grammar));
    const more = repeat(sequence(ws, literal(","), ws, pair), 0);
    return sequence(literal("{"), ws, optional(sequence(pair, more, ws)), literal("}"));
  });
}

export function anyValue(grammar: Grammar): Expression {
  return grammar.shared("value", () =>
    choice([
      anyObject(grammar),
      anyArray(grammar),
      anyString(grammar),
      anyNumber(grammar),
      literal("true"),
      literal("false"),
      literal("null"),
    ]),
  );
}

export function member(grammar: Grammar, key: Expression, value: Expression): Expression {
  const ws = space(grammar);
  return sequence(key, ws, literal(":"), ws, value);
}

const SHORT_ESCAPES: Readonly<Record<number, string>> = {
  8: "b",
  9: "t",
  10: "n",
  12: "f",
  13: "r",
  34: '"',
  92: "\\",
};

/** One character out of a set as JSON's canonical form has it. */
export function encodeSet(set: CharSet): Expression {
  const special = intersectSets(set, SPECIAL);
  const options = [charClass(intersectSets(set, complementSet(SPECIAL)))];
  const short: string[] = [];
  const long: [number, number][] = [];
  for (const [from, to] of special) {
    for (let code = from; code <= to; code += 1) {
      const letter = SHORT_ESCAPES[code];
      if (letter === undefined) long.push([code, code]);
      else short.push(letter);
    }
  }
  if (short.length > 0) options.push(sequence(literal("\\"), charClass(charactersOf(short.join("")))));
  for (const tens of [0, 1]) {
    const ones = long.filter(([code]) => code >> 4 === tens).map(([code]) => (code & 15).toString(16));
    const digits = [...ones, ...ones.map((one) => one.toUpperCase())].join("");
    if (digits !== "") options.push(sequence(literal(`\\u00${tens}`), charClass(charactersOf(digits))));
  }
  return choice(options);
}

const TRIE_DEPTH = 48;

/** Any one of these texts; common beginnings are shared, so that a long list costs a model no more than a short one. */
export function anyOfTexts(grammar: Grammar, texts: readonly string[]): Expression {
  return trie(
    grammar,
    [...new Set(texts)].map((text) => Array.from(text)),
    0,
  );
}

function trie(grammar: Grammar, texts: readonly (readonly string[])[], depth: number): Expression {
  if (texts.length === 1) return literal((texts[0] as readonly string[]).join(""));
  if (depth >= TRIE_DEPTH) return choice(texts.map((text) => literal(text.join(""))));
  const shared = commonLength(texts);
  const head = literal((texts[0] as readonly string[]).slice(0, shared).join(""));
  const groups = new Map<string, (readonly string[])[]>();
  for (const text of texts) {
    const first = text[shared] ?? "";
    const group = groups.get(first);
    if (group === undefined) groups.set(first, [text.slice(shared)]);
    else group.push(text.slice(shared));
  }
  const options = [...groups].map(([first, group]) =>
    first === "" ? EMPTY : trie(grammar, group, depth + 1),
  );
  const tail = options.length === 1 ? (options[0] as Expression) : choice(options);
  return sequence(head, depth > 0 && depth % 4 === 0 ? grammar.rule("enum", tail) : tail);
}

function commonLength(texts: readonly (readonly string[])[]): number {
  const first = texts[0] as readonly string[];
  let length = 0;
  while (length < first.length && texts.every((text) => text[length] === first[length])) length += 1;
  return length;
}
