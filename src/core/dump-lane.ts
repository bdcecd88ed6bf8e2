/**
 * Reads what programs for looking at bytes print, `xxd`, `hexdump -C`, `hexdump -c` and `od`: lines with an offset, bytes as numbers or
 * characters, and often the same bytes as text. A literal goes on from line to line there, and all of it counts to the end of its line.
 */
import type { LiteralAutomaton } from "./literal-automaton.ts";
import { Track, type Lane, type Span } from "./redact-lanes.ts";

/** Longer lines are no such lines. */
const MAX_LINE = 1_000;
const OFFSET = /^[0-9a-f]{6,16}:? /i;
/** For each form the columns that hold the bytes. */
const HEX_LINES = [
  /^(?<before>[0-9a-f]{6,16} {2})(?<bytes>(?:[0-9a-f]{2} {1,2})+) *\|/i,
  /^(?<before>[0-9a-f]{6,16}: )(?<bytes>(?:(?:[0-9a-f]{2})+ )+)/i,
  /^(?<before>[0-9a-f]{6,16})(?<bytes>(?: {1,2}[0-9a-f]{2})+)(?:\s*$| {2,}>)/i,
];
/** Four columns a byte: a character, an escape, or three octal digits; a blank is nothing but columns. */
const CHARACTER_LINE =
  /^(?<before>[0-9a-f]{6,16})(?<bytes>(?: {3}[!-~]| {2}\\[0abtnvfr]| [0-7]{3}| {4})+) {0,3}\r?$/i;
const ESCAPES: Readonly<Record<string, number>> = {
  "\\0": 0,
  "\\a": 7,
  "\\b": 8,
  "\\t": 9,
  "\\n": 10,
  "\\v": 11,
  "\\f": 12,
  "\\r": 13,
};
const COLUMNS = 4;

export interface DumpAutomata {
  /** Of literals with one byte a character. */
  plain: LiteralAutomaton;
  /** Of literals in hexadecimal. */
  hex: LiteralAutomaton;
}

/** Whether a text holds a line that may be of this kind. */
export function mayHoldDump(text: string): boolean {
  return /^[0-9a-f]{6,16}:? /im.test(text);
}

export function dumpLane({ plain, hex }: DumpAutomata): Lane {
  const tracks = { plain: new Track(plain), hex: new Track(hex) };
  let line = "";
  let lineAt = 0;

  const finish = (): Span[] => {
    const bytes = readBytes(line);
    for (const kind of ["plain", "hex"] as const) {
      if (bytes?.kind !== kind) tracks[kind].reset();
      else
        for (const { symbol, from, to } of bytes.symbols)
          tracks[kind].add(symbol, lineAt + from, lineAt + to);
    }
    const end = lineAt + line.length;
    return [...tracks.plain.takeFound(), ...tracks.hex.takeFound()].map(({ start }) => ({ start, end }));
  };

  return {
    get undecidedFrom() {
      const offset = line.length > MAX_LINE ? undefined : OFFSET.exec(line)?.[0].length;
      const own = offset === undefined ? Infinity : lineAt + offset;
      return Math.min(own, tracks.plain.undecidedFrom, tracks.hex.undecidedFrom);
    },
    read(piece, at) {
      const found: Span[] = [];
      for (let index = 0; ;) {
        const end = piece.indexOf("\n", index);
        // One more than the most, so that a line that is too long is known as such.
        const room = Math.max(0, MAX_LINE + 1 - line.length);
        line += piece.slice(index, Math.min(index + room, end === -1 ? piece.length : end));
        if (end === -1) return found;
        found.push(...finish());
        index = end + 1;
        lineAt = at + index;
        line = "";
      }
    },
    end: finish,
  };
}

interface DumpedBytes {
  kind: "plain" | "hex";
  /** Each with its place in the line. */
  symbols: { symbol: number; from: number; to: number }[];
}

function readBytes(line: string): DumpedBytes | undefined {
  if (line.length > MAX_LINE || !OFFSET.test(line)) return undefined;
  for (const pattern of HEX_LINES) {
    const { before = "", bytes } = pattern.exec(line)?.groups ?? {};
    if (bytes !== undefined) return { kind: "hex", symbols: toDigits(bytes, before.length) };
  }
  const { before = "", bytes } = CHARACTER_LINE.exec(line)?.groups ?? {};
  return bytes === undefined ? undefined : { kind: "plain", symbols: toCharacters(bytes, before.length) };
}

function toDigits(bytes: string, at: number): DumpedBytes["symbols"] {
  return Array.from(bytes.matchAll(/[^ ]/g), ({ 0: digit, index }) => ({
    symbol: digit.charCodeAt(0),
    from: at + index,
    to: at + index + 1,
  }));
}

function toCharacters(bytes: string, at: number): DumpedBytes["symbols"] {
  return (bytes.match(/.{4}/g) ?? []).map((column, index) => {
    const text = column.trim();
    const symbol =
      ESCAPES[text] ?? (text.length === 3 ? Number.parseInt(text, 8) : (text || " ").charCodeAt(0));
    return { symbol, from: at + (index + 1) * COLUMNS - (text.length || 1), to: at + (index + 1) * COLUMNS };
  });
}
