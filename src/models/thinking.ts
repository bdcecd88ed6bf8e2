import { createCodeContext } from "./code-context.ts";
import { MARKED_FORMS, OPENERS } from "./rescue/forms.ts";

/**
 * Thinking written into the text. One state machine for all tag families, for tags split over chunks, for tags that never
 * close, and for a closing tag alone, which means that all before it was thinking: the template opened it in the prompt.
 */
export type ThinkingSegment =
  | { type: "text"; text: string }
  | { type: "thinking"; text: string }
  /** All text so far was thinking. */
  | { type: "reclassify" };

export interface ThinkingSplitter {
  push(text: string): ThinkingSegment[];
  end(): ThinkingSegment[];
}

interface Family {
  opens: readonly string[];
  /** Ends the thinking and disappears. */
  closes: readonly string[];
  /** Ends the thinking and stays, to be looked at again. */
  endsBefore?: readonly string[];
}

const HARMONY_START = "<|start|>assistant";

const FAMILIES: readonly Family[] = [
  { opens: ["<think>"], closes: ["</think>"] },
  { opens: ["<thinking>"], closes: ["</thinking>"] },
  { opens: ["<thought>"], closes: ["</thought>"] },
  { opens: ["<seed:think>"], closes: ["</seed:think>"] },
  { opens: ["[THINK]"], closes: ["[/THINK]"] },
  { opens: ["<|START_THINKING|>"], closes: ["<|END_THINKING|>"] },
  { opens: ["◁think▷"], closes: ["◁/think▷"] },
  {
    opens: ["<|channel|>analysis<|message|>", `${HARMONY_START}<|channel|>analysis<|message|>`],
    closes: ["<|end|>"],
    endsBefore: ["<|start|>", "<|channel|>"],
  },
];

/** Frames of the Harmony format around text that is meant for the user, and ends of turns; they carry nothing. */
const FRAMES: readonly string[] = [
  ...["final", "commentary"].flatMap((channel) => [
    `<|channel|>${channel}<|message|>`,
    `${HARMONY_START}<|channel|>${channel}<|message|>`,
  ]),
  "<|return|>",
  "<|end|>",
  "<|im_end|>",
  "<|eot_id|>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<end_of_turn>",
];

interface Token {
  kind: "open" | "close" | "frame" | "call";
  text: string;
  lower: string;
  /** Of what it opens. */
  family?: Family;
  /** Ends of the call that it opens. */
  closers?: readonly string[];
}

const CLOSES = FAMILIES.flatMap(({ closes }) => closes).filter((text) => !FRAMES.includes(text));

const OUTSIDE: readonly Token[] = [
  ...FAMILIES.flatMap((family) => family.opens.map((text) => toToken("open", text, family))),
  ...FRAMES.map((text) => toToken("frame", text)),
  ...CLOSES.map((text) => toToken("close", text)),
  ...OPENERS.map((text) => ({ ...toToken("call", text), closers: closersOf(text) })),
];

const LONGEST_TOKEN = Math.max(...OUTSIDE.map(({ text }) => text.length));

function closersOf(opener: string): string[] {
  const forms = MARKED_FORMS.filter(({ openers }) => openers.includes(opener));
  return forms.flatMap(({ closers }) => closers.map(lowerCase));
}

function toToken(kind: Token["kind"], text: string, family?: Family): Token {
  return { kind, text, lower: lowerCase(text), ...(family ? { family } : {}) };
}

const STARTS = /[<[◁]/;

export function createThinkingSplitter(): ThinkingSplitter {
  const context = createCodeContext();
  let pending = "";
  let inside: Family | undefined;
  // Tags inside a call that is written as text are content of a file or a command.
  let call: readonly string[] | undefined;
  let seenThinking = false;

  const takeText = (text: string): ThinkingSegment[] => {
    if (text === "") return [];
    context.feed(text);
    return [{ type: "text", text }];
  };
  const takeToken = (token: Token): ThinkingSegment[] => {
    pending = pending.slice(token.text.length);
    if (token.kind === "frame") return [];
    if (token.kind === "call") {
      call = token.closers;
      return takeText(token.text);
    }
    if (token.kind === "close") {
      if (seenThinking) return [];
      seenThinking = true;
      return [{ type: "reclassify" }];
    }
    seenThinking = true;
    inside = token.family;
    return [];
  };
  const stepOutside = (final: boolean): ThinkingSegment[] | undefined => {
    const start = pending.search(STARTS);
    const before = start < 0 ? pending : pending.slice(0, start);
    pending = pending.slice(before.length);
    const segments = takeText(before);
    if (pending === "") return segments.length > 0 ? segments : undefined;
    const match = matchToken(pending, OUTSIDE);
    if (match === "partial" && !final) return segments.length > 0 ? segments : undefined;
    if (typeof match === "object" && isMeant(match, context)) return [...segments, ...takeToken(match)];
    const literal = pending.slice(0, typeof match === "object" ? match.text.length : 1);
    pending = pending.slice(literal.length);
    return [...segments, ...takeText(literal)];
  };
  const stepInside = (family: Family, final: boolean): ThinkingSegment[] | undefined => {
    const found = findEnd(pending, family, final);
    const text = pending.slice(0, found.at);
    pending = pending.slice(found.at + found.skip);
    if (found.ends) inside = undefined;
    if (text === "" && !found.ends) return undefined;
    return text === "" ? [] : [{ type: "thinking", text }];
  };
  const stepCall = (closers: readonly string[], final: boolean): ThinkingSegment[] | undefined => {
    const found = findEnd(pending, { opens: [], closes: [], endsBefore: closers }, final);
    const text = pending.slice(0, found.at);
    pending = pending.slice(found.at);
    if (found.ends) call = undefined;
    return text === "" && !found.ends ? undefined : takeText(text);
  };
  const run = (final: boolean): ThinkingSegment[] => {
    const all: ThinkingSegment[] = [];
    while (pending !== "") {
      const segments = inside ? stepInside(inside, final) : call ? stepCall(call, final) : stepOutside(final);
      if (segments === undefined) break;
      all.push(...segments);
    }
    return all;
  };
  return {
    push(text) {
      pending += text;
      return run(false);
    },
    end: () => run(true),
  };
}

function matchToken(text: string, tokens: readonly Token[]): Token | "partial" | undefined {
  const lower = lowerCase(text.slice(0, LONGEST_TOKEN));
  const whole = tokens.find(({ lower: token }) => lower.startsWith(token));
  if (whole) return whole;
  return tokens.some(({ lower: token }) => token.startsWith(lower)) ? "partial" : undefined;
}

/** A tag inside code, in quotes, or in the middle of a sentence is being talked about. */
function isMeant(token: Token, { inCode, line }: { inCode: boolean; line: string }): boolean {
  if (inCode) return false;
  if (token.kind === "call") return true;
  const before = line.trimEnd();
  if (token.kind === "open") return before === "" || /[.!?:>\]。！？：]$/.test(before);
  return !/["'`“‘«]$/.test(line);
}

/** Where thinking ends, or where the first piece of what may become its end begins. */
function findEnd(text: string, family: Family, final: boolean): { at: number; skip: number; ends: boolean } {
  const closes = family.closes.map(lowerCase);
  const marks = [...closes, ...(family.endsBefore ?? [])];
  const lower = lowerCase(text);
  const hits = marks
    .map((mark) => ({ at: lower.indexOf(mark), skip: closes.includes(mark) ? mark.length : 0, ends: true }))
    .filter(({ at }) => at >= 0)
    .sort((one, other) => one.at - other.at);
  if (hits[0]) return hits[0];
  if (final) return { at: text.length, skip: 0, ends: false };
  const partial = Math.min(text.length, ...marks.map((mark) => partialTail(lower, mark)));
  return { at: partial, skip: 0, ends: false };
}

/** Start of the longest end of `text` that is a beginning of `mark`. */
function partialTail(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length -= 1) {
    if (text.endsWith(mark.slice(0, length))) return text.length - length;
  }
  return text.length;
}

/** Keeps every place in the text where it is, unlike `toLowerCase`. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
