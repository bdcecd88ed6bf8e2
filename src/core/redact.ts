/** Keeps secrets that we know (keys, tokens) out of what tools say: out of the model's sight, the screen, the events and the session. */
import { dumpLane, mayHoldDump } from "./dump-lane.ts";
import { createLiteralAutomaton, type LiteralAutomaton, type Reading } from "./literal-automaton.ts";
import { directLane, jsonLane, percentLane, type Lane, type Span } from "./redact-lanes.ts";
import { toSecretForms } from "./secret-forms.ts";

export interface Redactor {
  text(text: string): string;
  /** For text that comes in pieces: a secret may be cut in two. Nothing of a secret comes out before it is known to be none. */
  stream(): RedactedStream;
}

export interface RedactedStream {
  push(piece: string): string;
  /** What was still held back. */
  end(): string;
}

const REDACTED = "[redacted]";

/** Also in the alphabet for URLs (RFC 4648 section 5), and on lines of any length. */
const BASE64: Reading = {
  same: [
    ["-", "+"],
    ["_", "/"],
  ],
  skipped: "\r\n",
};

/** In either case, on lines of any length, and with spaces or colons between the digits. */
const HEX: Reading = {
  same: ["A", "B", "C", "D", "E", "F"].map((digit) => [digit, digit.toLowerCase()] as const),
  skipped: "\r\n :",
};

/** For those who know no secrets. */
export const NO_REDACTION: Redactor = {
  text: (text) => text,
  stream: () => ({ push: (piece) => piece, end: () => "" }),
};

/**
 * Puts `[redacted]` in the place of each secret: as it is, in percent-encoding, with the escapes of JSON, in base64 (also of a text
 * around it), in hexadecimal, and as `xxd`, `hexdump -C` and `od` print bytes. A secret of several lines is looked for line by line. Secrets of fewer than 6 characters and common
 * words are left alone, and of more than 12,000 characters of secrets the longest ones. Takes time in proportion to the text.
 */
export function createRedactor(secrets: readonly string[]): Redactor {
  const forms = toSecretForms(secrets);
  if (forms.plain.length === 0) return NO_REDACTION;
  let automata: Automata | undefined;
  const open = (text?: string): RedactedStream => {
    automata ??= {
      plain: createLiteralAutomaton(forms.plain),
      base64: createLiteralAutomaton(forms.base64, BASE64),
      hex: createLiteralAutomaton(forms.hex, HEX),
    };
    return createStream(createLanes(automata, text));
  };
  return {
    text(text) {
      const stream = open(text);
      return stream.push(text) + stream.end();
    },
    stream: () => open(),
  };
}

interface Automata {
  plain: LiteralAutomaton;
  base64: LiteralAutomaton;
  hex: LiteralAutomaton;
}

/** `text`: all there is, when that is known; what it has no escapes for need not be looked for. */
function createLanes({ plain, base64, hex }: Automata, text: string | undefined): Lane[] {
  return [
    directLane(plain),
    directLane(base64),
    directLane(hex),
    ...(text === undefined || text.includes("%") ? [percentLane(plain)] : []),
    ...(text === undefined || text.includes("\\") ? [jsonLane(plain)] : []),
    ...(text === undefined || mayHoldDump(text) ? [dumpLane({ plain, hex })] : []),
  ];
}

function createStream(lanes: readonly Lane[]): RedactedStream {
  /** Read and not yet given out; it begins `given` characters after the beginning of all. */
  let held = "";
  let given = 0;
  let spans: Span[] = [];
  /** Up to here the last `[redacted]` stands. */
  let covered = 0;

  const giveOut = (end: number): string => {
    let out = "";
    const upTo = (to: number): void => {
      const from = Math.max(given, covered);
      if (to > from) out += held.slice(from - given, to - given);
    };
    for (const span of spans.filter(({ start }) => start < end)) {
      upTo(span.start);
      if (span.start > covered || covered === 0) out += REDACTED;
      covered = Math.max(covered, span.end);
    }
    upTo(end);
    spans = spans.filter(({ start }) => start >= end);
    held = held.slice(end - given);
    given = end;
    return out;
  };

  return {
    push(piece) {
      const at = given + held.length;
      held += piece;
      spans = [...spans, ...lanes.flatMap((lane) => lane.read(piece, at))];
      spans.sort((a, b) => a.start - b.start);
      return giveOut(Math.min(given + held.length, ...lanes.map((lane) => lane.undecidedFrom)));
    },
    end() {
      spans = [...spans, ...lanes.flatMap((lane) => lane.end?.() ?? [])];
      spans.sort((a, b) => a.start - b.start);
      return giveOut(given + held.length);
    },
  };
}
