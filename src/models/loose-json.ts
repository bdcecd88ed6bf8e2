/**
 * A reader for JSON as models write it: trailing commas, raw newlines in strings, single quotes, Python literals, comments,
 * bare keys. It accepts only what can be read in one way. A string that does not end, or a quote inside a string that was not
 * escaped, is refused: guessing there would invent or lose content of a file. (The jsonrepair package
 * turns the pattern "\d" into "d" and closes strings that were cut off.)
 */
export type LooseJson =
  | {
      ok: true;
      value: unknown;
      /** Where the value ends in the text. */ end: number;
      /** Differs from strict JSON. */ repaired: boolean;
    }
  | { ok: false; problem: string; /** The text ended too early. */ truncated: boolean; at: number };

export interface LooseJsonOptions {
  /** Where to begin; default 0. */
  at?: number;
  /** Closing brackets missing at the very end are added; the text is known to be all that the writer meant to write. */
  closeOpen?: boolean;
}

const MAX_DEPTH = 100;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const LITERALS: Readonly<Record<string, { value: unknown; strict: boolean }>> = {
  true: { value: true, strict: true },
  false: { value: false, strict: true },
  null: { value: null, strict: true },
  True: { value: true, strict: false },
  False: { value: false, strict: false },
  None: { value: null, strict: false },
  undefined: { value: null, strict: false },
};

interface Cursor {
  readonly text: string;
  readonly closeOpen: boolean;
  at: number;
  repaired: boolean;
}

class Refusal extends Error {
  readonly at: number;
  readonly truncated: boolean;
  constructor(problem: string, at: number, truncated = false) {
    super(problem);
    this.at = at;
    this.truncated = truncated;
  }
}

export function readLooseJson(text: string, { at = 0, closeOpen = false }: LooseJsonOptions = {}): LooseJson {
  const cursor: Cursor = { text, closeOpen, at, repaired: false };
  try {
    const value = readValue(cursor, 0);
    return { ok: true, value, end: cursor.at, repaired: cursor.repaired };
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    return { ok: false, problem: thrown.message, truncated: thrown.truncated, at: thrown.at };
  }
}

function readValue(cursor: Cursor, depth: number): unknown {
  skipSpace(cursor);
  const first = cursor.text[cursor.at];
  if (first === undefined) throw new Refusal("it ends where a value should be", cursor.at, true);
  if (depth > MAX_DEPTH) throw new Refusal("it is nested too deeply", cursor.at);
  if (first === "{") return readObject(cursor, depth);
  if (first === "[") return readArray(cursor, depth);
  if (first === '"' || first === "'") return readString(cursor, first);
  return readWord(cursor);
}

function readObject(cursor: Cursor, depth: number): Record<string, unknown> {
  const entries: [string, unknown][] = [];
  cursor.at += 1;
  // Templates that were filled in carelessly teach `{{"name": …}}`.
  const doubled = cursor.text[cursor.at] === "{";
  if (doubled) cursor.at += 1;
  for (;;) {
    if (endsList(cursor, "}", entries.length > 0)) {
      if (doubled) takeSecondBrace(cursor);
      return Object.fromEntries(entries);
    }
    const key = readKey(cursor);
    skipSpace(cursor);
    if (cursor.at >= cursor.text.length)
      throw new Refusal(`it ends after the key \`${key}\``, cursor.at, true);
    if (cursor.text[cursor.at] !== ":") throw new Refusal(unexpected(cursor, "a colon"), cursor.at);
    cursor.at += 1;
    entries.push([key, readValue(cursor, depth + 1)]);
    takeComma(cursor, "}");
  }
}

function takeSecondBrace(cursor: Cursor): void {
  const brace = cursor.text[cursor.at];
  if (brace !== "}") throw new Refusal(unexpected(cursor, "a second `}`"), cursor.at, brace === undefined);
  cursor.repaired = true;
  cursor.at += 1;
}

function readArray(cursor: Cursor, depth: number): unknown[] {
  const values: unknown[] = [];
  cursor.at += 1;
  for (;;) {
    if (endsList(cursor, "]", values.length > 0)) return values;
    values.push(readValue(cursor, depth + 1));
    takeComma(cursor, "]");
  }
}

/** Steps over the closing bracket, if it is here. At the end of the text a missing one may be allowed, but not after a comma. */
function endsList(cursor: Cursor, bracket: "}" | "]", hasItems: boolean): boolean {
  skipSpace(cursor);
  if (cursor.text[cursor.at] === bracket) {
    if (hasItems && lastCharacter(cursor) === ",") cursor.repaired = true;
    cursor.at += 1;
    return true;
  }
  if (cursor.at < cursor.text.length) return false;
  if (cursor.closeOpen && hasItems && lastCharacter(cursor) !== ",") {
    cursor.repaired = true;
    return true;
  }
  throw new Refusal(`it ends before the closing \`${bracket}\``, cursor.at, true);
}

function lastCharacter({ text, at }: Cursor): string | undefined {
  return text.slice(0, at).trimEnd().at(-1);
}

function takeComma(cursor: Cursor, bracket: "}" | "]"): void {
  skipSpace(cursor);
  const next = cursor.text[cursor.at];
  if (next === ",") cursor.at += 1;
  else if (next !== undefined && next !== bracket) {
    throw new Refusal(unexpected(cursor, `\`,\` or \`${bracket}\``), cursor.at);
  }
}

function readKey(cursor: Cursor): string {
  const first = cursor.text[cursor.at];
  if (first === '"' || first === "'") return readString(cursor, first);
  const bare = /[A-Za-z_$][\w$-]*/y;
  bare.lastIndex = cursor.at;
  const [word] = bare.exec(cursor.text) ?? [];
  if (word === undefined) throw new Refusal(unexpected(cursor, "a key in double quotes"), cursor.at);
  cursor.repaired = true;
  cursor.at += word.length;
  return word;
}

function readString(cursor: Cursor, quote: string): string {
  const { text } = cursor;
  const start = cursor.at;
  const parts: string[] = [];
  let from = start + 1;
  if (quote === "'") cursor.repaired = true;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (text[at] === quote) {
      parts.push(text.slice(from, at));
      cursor.at = at + 1;
      return parts.join("");
    }
    if (code < 0x20) cursor.repaired = true;
    if (code !== 0x5c) continue;
    const escape = readEscape(cursor, at);
    parts.push(text.slice(from, at), escape.text);
    from = at + escape.length;
    at = from - 1;
  }
  throw new Refusal("a string does not end", start, true);
}

/** An escape that JSON does not know (`\d`, `\$`) stands for itself, backslash included: that is what its writer meant. */
function readEscape(cursor: Cursor, at: number): { text: string; length: number } {
  const letter = cursor.text[at + 1] ?? "";
  if (letter === "u") {
    const digits = cursor.text.slice(at + 2, at + 6);
    if (/^[\da-fA-F]{4}$/.test(digits))
      return { text: String.fromCharCode(Number.parseInt(digits, 16)), length: 6 };
  }
  const known = ESCAPES[letter];
  if (letter === "'" || known === undefined) cursor.repaired = true;
  return known === undefined ? { text: "\\", length: 1 } : { text: known, length: 2 };
}

function readWord(cursor: Cursor): unknown {
  const word = /[^\s,:{}[\]"'`/]+/y;
  word.lastIndex = cursor.at;
  const [text = ""] = word.exec(cursor.text) ?? [];
  const literal = Object.hasOwn(LITERALS, text) ? LITERALS[text] : undefined;
  const isNumber = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text);
  if (!literal && !isNumber) throw new Refusal(unexpected(cursor, "a value"), cursor.at);
  cursor.at += text.length;
  if (literal) {
    if (!literal.strict) cursor.repaired = true;
    return literal.value;
  }
  if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text)) cursor.repaired = true;
  return Number(text);
}

function skipSpace(cursor: Cursor): void {
  const space = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|#[^\n]*)/y;
  for (;;) {
    space.lastIndex = cursor.at;
    const [found] = space.exec(cursor.text) ?? [];
    if (found === undefined) return;
    if (found.trim() !== "") cursor.repaired = true;
    cursor.at += found.length;
  }
}

function unexpected({ text, at }: Cursor, wanted: string): string {
  const found = text.slice(at, at + 20).split("\n")[0] ?? "";
  return `at character ${at} \`${found}\` stands where ${wanted} should be (is a quote inside a string not escaped?)`;
}
