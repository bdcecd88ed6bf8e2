/**
 * Splits the text that a model writes into content, thinking and tool calls, while it arrives. Tags may be split anywhere. What
 * looks like a call but cannot be read as one stays in the content, where the client can still make sense of it.
 */
import { unreachable } from "../../core/events.ts";
import { CALL_CLOSE, CALL_OPEN } from "../../engine/schema/call-format.ts";
import { createJsonScanner } from "../../engine/json-scanner.ts";
import { findFirst, partialLength } from "../../engine/stop-scanner.ts";
import { isOpenCall, parseJsonCall, parseXmlCall } from "./call-text.ts";
import type { ParsedCall } from "./call-text.ts";
import type { CallRescue } from "./call-rescue.ts";
import { createCallId } from "./ids.ts";
import { detectThinking } from "./thinking-tags.ts";
import type { ThinkingTags } from "./thinking-tags.ts";

export type ReplyPart =
  | { type: "content"; text: string }
  | { type: "reasoning"; text: string }
  | { type: "call_started"; index: number; id: string; name: string }
  | { type: "call_arguments"; index: number; text: string };

export interface ReplyParser {
  push(text: string): ReplyPart[];
  /** What is left at the end. `complete`: the model came to its own end; default true. */
  flush(options?: { complete: boolean }): ReplyPart[];
  /** Characters of the text of which is not known yet what they are. */
  readonly held: number;
  /** After the end: a call has begun whose arguments have no end. */
  readonly unfinished: boolean;
}

export interface ReplyParserOptions {
  /** False: tags of calls are plain text. */
  calls: boolean;
  startsThinking: boolean;
  /** Declared types of a tool's parameters, to read calls whose values have no types of their own. */
  typeOf: (tool: string, parameter: string) => unknown;
  /** Default `<think>` and `</think>`. */
  thinking?: ThinkingTags;
  /** Thinking is content, tags and all. */
  inlineThinking?: boolean;
  /** Looks for calls in other forms; absent: nobody does. */
  rescue?: CallRescue;
  newCallId?: () => string;
}

export function createReplyParser(options: ReplyParserOptions): ReplyParser {
  return new StreamingReplyParser(options);
}

/** `"name"` and then an object of arguments, as the grammar writes them. */
const CALL_HEAD = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)/;

/** No name is longer. */
const HEAD_LIMIT = 1024;

type State = "content" | "reasoning" | "call" | "arguments" | "call_end";

class StreamingReplyParser implements ReplyParser {
  readonly #options: ReplyParserOptions;
  readonly #thinking: ThinkingTags;
  /** Tags that mean something outside thinking and calls. */
  readonly #tags: readonly string[];
  #state: State;
  #held = "";
  /** White space that is dropped when a call follows. */
  #space = "";
  /** White space between thinking and the answer belongs to neither. */
  #atStart = false;
  #scanner = createJsonScanner();
  #calls = 0;
  /** How much of a call that is held was looked through for its end. */
  #searched = 0;
  /** The call that is held does not begin as the grammar writes them. */
  #headless = false;
  #tail = "";
  #reasoning = "";
  #hasContent = false;

  constructor(options: ReplyParserOptions) {
    this.#options = options;
    this.#thinking = options.thinking ?? detectThinking("");
    const { open, frames } = this.#thinking;
    this.#tags = [open, ...frames, ...(options.calls ? [CALL_OPEN] : [])];
    this.#state = options.startsThinking ? "reasoning" : "content";
  }

  get held(): number {
    return this.#held.length + this.#space.length + (this.#options.rescue?.held ?? 0);
  }

  get unfinished(): boolean {
    return this.#state === "arguments";
  }

  push(text: string): ReplyPart[] {
    this.#held += text;
    if (this.#isInsideCall(text)) return [];
    const parts: ReplyPart[] = [];
    if (this.#options.startsThinking && this.#reasoning === "") parts.push(...this.#openInline());
    for (let before = -1; before !== this.#held.length;) {
      before = this.#held.length;
      const state = this.#state;
      parts.push(...this.#step());
      if (state !== this.#state && this.#held !== "") before = -1;
    }
    return parts;
  }

  /** A call can be a whole file, which is not to be looked through again with every token. */
  #isInsideCall(text: string): boolean {
    if (this.#state !== "call" || !this.#headless) return false;
    const seam = this.#tail + text;
    this.#tail = seam.slice(1 - CALL_CLOSE.length);
    return !seam.includes(CALL_CLOSE);
  }

  flush({ complete } = { complete: true }): ReplyPart[] {
    const parts = this.#flushHeld(complete);
    const { rescue } = this.#options;
    if (rescue === undefined) return parts;
    const { text, calls } = rescue.flush({ complete });
    parts.push(...this.#asPart(text));
    const silent = complete && this.#calls === 0 && calls.length === 0 && !this.#hasContent;
    const found = silent ? rescue.fromThinking(this.#reasoning) : calls;
    return [...parts, ...found.flatMap((call) => this.#startWhole(call))];
  }

  #flushHeld(complete: boolean): ReplyPart[] {
    const rest = this.#held;
    this.#held = "";
    switch (this.#state) {
      case "content":
        return this.#content(rest, { last: true });
      case "reasoning":
        return this.#reason(rest);
      case "call":
        return (
          (isOpenCall(rest, { complete }) ? undefined : this.#wholeCall(rest)) ??
          this.#content(CALL_OPEN + rest, { last: true })
        );
      case "arguments":
      case "call_end":
        return [];
      default:
        return unreachable(this.#state);
    }
  }

  #step(): ReplyPart[] {
    switch (this.#state) {
      case "content":
        return this.#inContent();
      case "reasoning":
        return this.#inReasoning();
      case "call":
        return this.#inCall();
      case "arguments":
        return this.#inArguments();
      case "call_end":
        return this.#inCallEnd();
      default:
        return unreachable(this.#state);
    }
  }

  #inContent(): ReplyPart[] {
    const next = findFirst(this.#held, this.#tags);
    if (next === undefined) return this.#content(this.#takeSafe(this.#tags), { last: false });
    const before = this.#held.slice(0, next.at);
    this.#held = this.#held.slice(next.at + next.word.length);
    const parts = this.#content(before, { last: false });
    if (next.word !== CALL_OPEN && next.word !== this.#thinking.open) return parts;
    if (next.word === CALL_OPEN) {
      this.#startCall();
      return parts;
    }
    this.#space = "";
    this.#state = "reasoning";
    return [...parts, ...this.#openInline()];
  }

  #inReasoning(): ReplyPart[] {
    const { close } = this.#thinking;
    const at = this.#held.indexOf(close);
    const text = at < 0 ? this.#takeSafe([close]) : this.#held.slice(0, at);
    const parts = this.#reason(text);
    if (at < 0) return parts;
    this.#held = this.#held.slice(at + close.length);
    this.#state = "content";
    if (this.#options.inlineThinking === true) return [...parts, ...this.#asContent(close)];
    this.#atStart = true;
    return parts;
  }

  #openInline(): ReplyPart[] {
    return this.#options.inlineThinking === true ? this.#reason(this.#thinking.open) : [];
  }

  #reason(text: string): ReplyPart[] {
    if (text === "") return [];
    this.#reasoning += text;
    const { inlineThinking, rescue } = this.#options;
    if (inlineThinking !== true) return [{ type: "reasoning", text }];
    // What is held came before it.
    const before = rescue === undefined || rescue.held === 0 ? "" : rescue.release();
    return [...this.#asPart(before), { type: "content", text }];
  }

  #startCall(): void {
    this.#state = "call";
    this.#searched = 0;
    this.#headless = false;
    this.#scanner = createJsonScanner();
  }

  #inCall(): ReplyPart[] {
    const head = CALL_HEAD.exec(this.#held);
    if (head !== null) {
      this.#held = this.#held.slice(head[0].length);
      this.#state = "arguments";
      return this.#start(JSON.parse(head[1] as string) as string);
    }
    for (let at = this.#findClose(); at >= 0; at = this.#findClose()) {
      const text = this.#held.slice(0, at);
      this.#searched = at + CALL_CLOSE.length;
      // The tag may stand in a value.
      if (isOpenCall(text, { complete: true })) continue;
      this.#held = this.#held.slice(this.#searched);
      this.#state = "content";
      return this.#wholeCall(text) ?? this.#content(CALL_OPEN + text + CALL_CLOSE, { last: false });
    }
    this.#searched = Math.max(this.#searched, this.#held.length - CALL_CLOSE.length);
    this.#headless = this.#held.length > HEAD_LIMIT || /^\s*[^\s{]/.test(this.#held);
    this.#tail = this.#held.slice(1 - CALL_CLOSE.length);
    return [];
  }

  #findClose(): number {
    return this.#held.indexOf(CALL_CLOSE, this.#searched);
  }

  #inArguments(): ReplyPart[] {
    const end = this.#scanner.push(this.#held);
    const text = this.#held.slice(0, end ?? this.#held.length);
    this.#held = end === undefined ? "" : this.#held.slice(end);
    if (end !== undefined) this.#state = "call_end";
    return text === "" ? [] : [{ type: "call_arguments", index: this.#calls - 1, text }];
  }

  #inCallEnd(): ReplyPart[] {
    const at = this.#held.indexOf(CALL_CLOSE);
    if (at < 0) return [];
    this.#held = this.#held.slice(at + CALL_CLOSE.length);
    this.#state = "content";
    return [];
  }

  #wholeCall(text: string): ReplyPart[] | undefined {
    const call: ParsedCall | undefined = parseJsonCall(text) ?? parseXmlCall(text, this.#options.typeOf);
    return call === undefined ? undefined : this.#startWhole(call);
  }

  #startWhole({ name, arguments: text }: ParsedCall): ReplyPart[] {
    const started = this.#start(name);
    return [...started, { type: "call_arguments", index: this.#calls - 1, text }];
  }

  #start(name: string): ReplyPart[] {
    const parts = this.#calls === 0 ? this.#asPart(this.#options.rescue?.release() ?? "") : [];
    this.#space = "";
    const id = this.#options.newCallId?.() ?? createCallId({ short: false });
    return [...parts, { type: "call_started", index: this.#calls++, id, name }];
  }

  /** Everything that cannot become one of these tags. */
  #takeSafe(tags: readonly string[]): string {
    const keep = Math.max(...tags.map((tag) => partialLength(this.#held, tag)));
    const safe = this.#held.slice(0, this.#held.length - keep);
    this.#held = this.#held.slice(this.#held.length - keep);
    return safe;
  }

  #content(text: string, { last }: { last: boolean }): ReplyPart[] {
    const whole = this.#atStart ? text.trimStart() : this.#space + text;
    if (whole !== "") this.#atStart = false;
    // White space around calls is part of their form, not of the answer.
    if (last && whole.trim() === "" && this.#calls > 0) return [];
    const kept = last ? whole : whole.trimEnd();
    this.#space = whole.slice(kept.length);
    return this.#asContent(kept);
  }

  #asContent(text: string): ReplyPart[] {
    if (text === "") return [];
    const { rescue } = this.#options;
    return this.#asPart(rescue === undefined ? text : rescue.push(text));
  }

  #asPart(text: string): ReplyPart[] {
    if (text === "") return [];
    this.#hasContent = true;
    return [{ type: "content", text }];
  }
}
