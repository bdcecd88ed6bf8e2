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
  { opens: ["<reasoning>"], closes: ["</reasoning>"] },
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
  "<|im_start|>assistant",
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

/** Feed it text in pieces; the segments together are the same for any pieces. */
export class ThinkingSplitter {
  readonly #context = createCodeContext();
  #pending = "";
  #inside: Family | undefined;
  /** Ends of the call we are in: tags inside a call that is written as text are content of a file or a command. */
  #call: readonly string[] | undefined;
  #seenThinking = false;
  /** An opening tag was talked about, so a closing one may be as well. */
  #mentioned = false;

  push(text: string): ThinkingSegment[] {
    this.#pending += text;
    return this.#run({ final: false });
  }

  end(): ThinkingSegment[] {
    return this.#run({ final: true });
  }

  #run({ final }: { final: boolean }): ThinkingSegment[] {
    const all: ThinkingSegment[] = [];
    while (this.#pending !== "") {
      const segments = this.#step(final);
      if (segments === undefined) break;
      all.push(...segments);
    }
    return all;
  }

  /** `undefined`: nothing more can be said without more text. */
  #step(final: boolean): ThinkingSegment[] | undefined {
    if (this.#inside) return this.#stepInside(this.#inside, final);
    return this.#call ? this.#stepCall(this.#call, final) : this.#stepOutside(final);
  }

  #stepOutside(final: boolean): ThinkingSegment[] | undefined {
    const start = this.#pending.search(STARTS);
    const segments = this.#takeText(start < 0 ? this.#pending : this.#pending.slice(0, start));
    if (this.#pending === "") return segments;
    const match = matchToken(this.#pending, OUTSIDE);
    if (match === "partial" && !final) return segments.length > 0 ? segments : undefined;
    const meant = typeof match === "object" ? this.#judge(match, final) : false;
    if (meant === "later") return segments.length > 0 ? segments : undefined;
    if (typeof match === "object" && meant) return [...segments, ...this.#takeToken(match)];
    if (typeof match === "object" && match.kind === "open") this.#mentioned = true;
    const length = typeof match === "object" ? match.text.length : 1;
    return [...segments, ...this.#takeText(this.#pending.slice(0, length))];
  }

  /** Whether the tag at the start of what is pending does what it says; `later` when the rest of its line has to tell. */
  #judge(token: Token, final: boolean): boolean | "later" {
    if (token.kind !== "close" || this.#seenThinking) return isMeant(token, this.#context);
    if (!isMeant(token, this.#context)) return false;
    const before = this.#context.line.trim();
    const starts = before === "";
    if (starts && !this.#mentioned) return true;
    // Written right after a word; a tag that is talked about has a space before it.
    if (!this.#mentioned && !/\s$/.test(this.#context.line)) return true;
    if (this.#mentioned && !starts) return false;
    const rest = /^[ \t]*(\n|\r|\S)?/.exec(this.#pending.slice(token.text.length))?.[1];
    if (rest === undefined) return final || "later";
    // With spaces around it: the answer begins anew, while a sentence about the tag goes on in small letters.
    return /[\n\r]/.test(rest) || (!this.#mentioned && /[\p{Lu}\p{Lo}<{]/u.test(rest));
  }

  #stepInside(family: Family, final: boolean): ThinkingSegment[] | undefined {
    const found = findEnd(this.#pending, family, final);
    const text = this.#pending.slice(0, found.at);
    this.#pending = this.#pending.slice(found.at + found.skip);
    if (found.ends) this.#inside = undefined;
    if (text === "") return found.ends ? [] : undefined;
    return [{ type: "thinking", text }];
  }

  #stepCall(closers: readonly string[], final: boolean): ThinkingSegment[] | undefined {
    const found = findEnd(this.#pending, { opens: [], closes: [], endsBefore: closers }, final);
    if (found.ends) this.#call = undefined;
    const segments = this.#takeText(this.#pending.slice(0, found.at));
    return segments.length > 0 || found.ends ? segments : undefined;
  }

  /** Moves the first part of what is pending to the text. */
  #takeText(text: string): ThinkingSegment[] {
    if (text === "") return [];
    this.#pending = this.#pending.slice(text.length);
    this.#context.feed(text);
    return [{ type: "text", text }];
  }

  #takeToken(token: Token): ThinkingSegment[] {
    if (token.kind === "call") {
      this.#call = token.closers;
      return this.#takeText(this.#pending.slice(0, token.text.length));
    }
    this.#pending = this.#pending.slice(token.text.length);
    if (token.kind === "frame") return [];
    const first = !this.#seenThinking;
    this.#seenThinking = true;
    if (token.kind === "open") this.#inside = token.family;
    return token.kind === "close" && first ? [{ type: "reclassify" }] : [];
  }
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
  const before = line.trimEnd();
  if (token.kind === "open" || token.kind === "call")
    return before === "" || /[.!?:>\]。！？：]$/.test(before);
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
