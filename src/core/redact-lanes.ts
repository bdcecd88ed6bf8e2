/** One lane reads a text in one way, a symbol at a time, and finds literals in what it read. */
import { SKIPPED, type LiteralAutomaton } from "./literal-automaton.ts";

/** From `start` to before `end`, in UTF-16 code units from the beginning of the stream. */
export interface Span {
  start: number;
  end: number;
}

export interface Lane {
  /** Reads on and says where literals stand; `at`: where `piece` begins. */
  read(piece: string, at: number): Span[];
  /** What is read from here on may be the beginning of a literal. */
  readonly undecidedFrom: number;
  /** Nothing more comes. */
  end?(): Span[];
}

const NONE = -1;
const NOTHING: Span[] = [];
const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const JSON_ESCAPES = new Map(
  Object.entries({ '"': 0x22, "\\": BACKSLASH, "/": 0x2f, b: 8, f: 0x0c, n: 0x0a, r: 0x0d, t: 9 }),
);

/** The state of an automaton, and where in the text each of the last symbols began. */
export class Track {
  readonly #automaton: LiteralAutomaton;
  readonly #starts: Float64Array;
  #found: Span[] = [];
  #state = 0;
  #count = 0;

  constructor(automaton: LiteralAutomaton) {
    this.#automaton = automaton;
    this.#starts = new Float64Array(automaton.longest + 1);
  }

  get undecidedFrom(): number {
    return this.#state === 0 ? Infinity : this.#startOf(this.#automaton.depths[this.#state] as number);
  }

  /** Every unit of `piece`, which begins at `at`, from index `from` to before `to` is a symbol. */
  addAll(piece: string, at: number, { from, to }: { from: number; to: number }): void {
    const { classes, table, width } = this.#automaton;
    for (let index = from; index < to; index += 1) {
      const unitClass = classes[piece.charCodeAt(index)] as number;
      if (unitClass === SKIPPED) continue;
      this.#state = table[this.#state * width + unitClass] as number;
      if (this.#state !== 0) this.#note(at + index, at + index + 1);
    }
  }

  /** A symbol that stands in the text from `start` to before `end`. */
  add(symbol: number, start: number, end: number): void {
    const { classes, table, width } = this.#automaton;
    this.#state = table[this.#state * width + (classes[symbol] as number)] as number;
    if (this.#state !== 0) this.#note(start, end);
  }

  /** What comes next has nothing to do with what came before. */
  reset(): void {
    this.#state = 0;
  }

  /** What was found since it was last asked for. */
  takeFound(): Span[] {
    const found = this.#found;
    if (found.length === 0) return NOTHING;
    this.#found = [];
    return found;
  }

  #note(start: number, end: number): void {
    this.#starts[this.#count % this.#starts.length] = start;
    this.#count += 1;
    const length = this.#automaton.matches[this.#state] as number;
    if (length > 0) this.#found.push({ start: this.#startOf(length), end });
  }

  #startOf(length: number): number {
    return this.#starts[(this.#count - length) % this.#starts.length] as number;
  }
}

/** The text as it stands. */
export function directLane(automaton: LiteralAutomaton): Lane {
  const track = new Track(automaton);
  return {
    get undecidedFrom() {
      return track.undecidedFrom;
    },
    read(piece, at) {
      track.addAll(piece, at, { from: 0, to: piece.length });
      return track.takeFound();
    },
  };
}

/** With what RFC 3986 section 2.1 encodes decoded byte by byte. */
export function percentLane(automaton: LiteralAutomaton): Lane {
  return escapeLane(automaton, PERCENT, (escape) =>
    escape.length < 3 ? undefined : parseHex(escape.slice(1)),
  );
}

/** With the escapes of JSON strings (RFC 8259 section 7) decoded. */
export function jsonLane(automaton: LiteralAutomaton): Lane {
  return escapeLane(automaton, BACKSLASH, (escape) => {
    const kind = escape[1];
    if (kind === undefined) return undefined;
    if (kind !== "u") return JSON_ESCAPES.get(kind) ?? NONE;
    const digits = escape.slice(2);
    if (digits.length === 4) return parseHex(digits);
    return /^[0-9a-f]*$/i.test(digits) ? undefined : NONE;
  });
}

/** The symbol that an escape stands for; `undefined` while it is not whole, `NONE` when it is no escape. */
type ReadEscape = (escape: string) => number | undefined;

function escapeLane(automaton: LiteralAutomaton, lead: number, readEscape: ReadEscape): Lane {
  const track = new Track(automaton);
  const leadSign = String.fromCharCode(lead);
  let escape = "";
  let startsAt = 0;

  const step = (code: number, index: number): void => {
    if (escape === "" && code !== lead) return track.add(code, index, index + 1);
    if (escape === "") startsAt = index;
    escape += String.fromCharCode(code);
    const symbol = readEscape(escape);
    if (symbol === undefined) return;
    const whole = escape;
    escape = "";
    if (symbol !== NONE) return track.add(symbol, startsAt, index + 1);
    // No escape: its first character stands for itself, and the rest is read again.
    const first = startsAt;
    track.add(lead, first, first + 1);
    for (let at = 1; at < whole.length; at += 1) step(whole.charCodeAt(at), first + at);
  };

  return {
    get undecidedFrom() {
      return escape === "" ? track.undecidedFrom : Math.min(startsAt, track.undecidedFrom);
    },
    read(piece, at) {
      for (let index = 0; index < piece.length;) {
        const next = escape === "" ? piece.indexOf(leadSign, index) : index;
        const end = next === -1 ? piece.length : next;
        track.addAll(piece, at, { from: index, to: end });
        if (end < piece.length) step(piece.charCodeAt(end), at + end);
        index = end + 1;
      }
      return track.takeFound();
    },
  };
}

function parseHex(digits: string): number {
  return /^[0-9a-f]+$/i.test(digits) ? Number.parseInt(digits, 16) : NONE;
}
