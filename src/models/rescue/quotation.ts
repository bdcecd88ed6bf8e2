import type { FormScope, WrittenCall } from "./form.ts";

/** Tells whether what is written as a call only repeats a text that the model was given. */
export interface Quotations {
  /** The text stands in one of the sources as it is. */
  hasText(text: string): boolean;
  /** A call of this name with these arguments stands in one of the sources, in whichever form. */
  hasCall(call: Pick<WrittenCall, "name" | "arguments" | "raw">): boolean;
}

/** How far the name may stand from its arguments: `"name": "write", "arguments": {…}` and the marks of all forms. */
const NAME_DISTANCE = 80;
/** Shorter than any call with its marks or its name. */
const SHORTEST = 6;

/**
 * `sources` are the tool results and user messages before the reply. A tool result is JSON, so what it quotes is escaped; quotes,
 * backslashes and white space, escaped or not, are left out of the comparison.
 */
export function createQuotations(sources: readonly string[]): Quotations {
  let known: string[] | undefined;
  const all = (): string[] => (known ??= sources.flatMap(toComparable));
  const hasText = (text: string): boolean => {
    const wanted = normalize(text);
    return wanted.length >= SHORTEST && all().some((source) => source.includes(wanted));
  };
  return {
    hasText,
    hasCall(call) {
      // The raw text of some forms is the arguments alone, which say too little.
      if (call.name !== "" && call.raw.includes(call.name) && hasText(call.raw)) return true;
      const args = normalize(toText(call.arguments));
      if (call.name === "" || args.length < SHORTEST) return false;
      return all().some((source) => holdsCall(source, normalize(call.name), args));
    },
  };
}

/** Any of the calls is a quotation, so none of them is the model's own. */
export function isQuotation(calls: readonly WrittenCall[], { quotations }: FormScope): boolean {
  return quotations !== undefined && calls.some((call) => quotations.hasCall(call));
}

function holdsCall(source: string, name: string, args: string): boolean {
  for (let at = source.indexOf(args); at >= 0; at = source.indexOf(args, at + 1)) {
    const before = source.slice(Math.max(0, at - NAME_DISTANCE), at);
    const after = source.slice(at + args.length, at + args.length + NAME_DISTANCE);
    if (before.includes(name) || after.includes(`name:${name}`)) return true;
  }
  return false;
}

function toText(args: unknown): string {
  if (typeof args === "string") return args;
  return args === undefined ? "" : JSON.stringify(args);
}

/** A source may show a part of a file with the number of each line in front. */
function toComparable(source: string): string[] {
  const plain = normalize(source);
  const unnumbered = normalize(source.replace(/(?:\\n|\n|")[ \t]*\d+[:|\t]/g, ""));
  return plain === unnumbered ? [plain] : [plain, unnumbered];
}

/** A line end is `\n` in JSON, and `\\n` in JSON inside JSON. */
function normalize(text: string): string {
  return text.replace(/\\+[nrt]?|["'`\s]/g, "");
}
