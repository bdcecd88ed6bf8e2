/**
 * Splits the text that a model writes into content, thinking and tool calls, while it arrives. Tags may be split anywhere. What
 * looks like a call but cannot be read as one stays in the content, where the client can still make sense of it.
 */
import { unreachable } from "../core/events.ts";
import { CALL_CLOSE, CALL_OPEN, THINK_CLOSE, THINK_OPEN } from "../engine/call-format.ts";
import { createJsonScanner } from "../engine/json-scanner.ts";
import { findFirst, partialLength } from "../engine/stop-scanner.ts";
import { parseJsonCall, parseXmlCall } from "./call-text.ts";
import type { ParsedCall } from "./call-text.ts";

export type ReplyPart =
  | { type: "content"; text: string }
  | { type: "reasoning"; text: string }
  | { type: "call_started"; index: number; name: string }
  | { type: "call_arguments"; index: number; text: string };

export interface ReplyParser {
  push(text: string): ReplyPart[];
  /** What is left at the end. */
  flush(): ReplyPart[];
}

export interface ReplyParserOptions {
  /** False: tags of calls are plain text. */
  calls: boolean;
  startsThinking: boolean;
  /** Declared types of a tool's parameters, to read calls whose values have no types of their own. */
  typeOf: (tool: string, parameter: string) => unknown;
}

export function createReplyParser(options: ReplyParserOptions): ReplyParser {
  return new StreamingReplyParser(options);
}

/** `"name"` and then an object of arguments, as the grammar writes them. */
const CALL_HEAD = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)/;

type State = "content" | "reasoning" | "call" | "arguments" | "call_end";

class StreamingReplyParser implements ReplyParser {
  readonly #options: ReplyParserOptions;
  #state: State;
  #held = "";
  /** White space that is dropped when a call follows. */
  #space = "";
  /** White space between thinking and the answer belongs to neither. */
  #atStart = false;
  #scanner = createJsonScanner();
  #calls = 0;

  constructor(options: ReplyParserOptions) {
    this.#options = options;
    this.#state = options.startsThinking ? "reasoning" : "content";
  }

  push(text: string): ReplyPart[] {
    this.#held += text;
    const parts: ReplyPart[] = [];
    for (let before = -1; before !== this.#held.length;) {
      before = this.#held.length;
      const state = this.#state;
      parts.push(...this.#step());
      if (state !== this.#state && this.#held !== "") before = -1;
    }
    return parts;
  }

  flush(): ReplyPart[] {
    const rest = this.#held;
    this.#held = "";
    switch (this.#state) {
      case "content":
        return this.#content(rest, { last: true });
      case "reasoning":
        return rest === "" ? [] : [{ type: "reasoning", text: rest }];
      case "call":
        return this.#wholeCall(rest) ?? this.#content(CALL_OPEN + rest, { last: true });
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
    const tags = this.#options.calls ? [THINK_OPEN, CALL_OPEN] : [THINK_OPEN];
    const next = findFirst(this.#held, tags);
    if (next === undefined) return this.#content(this.#takeSafe(tags), { last: false });
    const before = this.#held.slice(0, next.at);
    this.#held = this.#held.slice(next.at + next.word.length);
    const parts = this.#content(before, { last: false });
    this.#space = "";
    if (next.word === CALL_OPEN) this.#startCall();
    else this.#state = "reasoning";
    return parts;
  }

  #inReasoning(): ReplyPart[] {
    const at = this.#held.indexOf(THINK_CLOSE);
    const text = at < 0 ? this.#takeSafe([THINK_CLOSE]) : this.#held.slice(0, at);
    if (at >= 0) {
      this.#held = this.#held.slice(at + THINK_CLOSE.length);
      this.#atStart = true;
      this.#state = "content";
    }
    return text === "" ? [] : [{ type: "reasoning", text }];
  }

  #startCall(): void {
    this.#state = "call";
    this.#scanner = createJsonScanner();
  }

  #inCall(): ReplyPart[] {
    const head = CALL_HEAD.exec(this.#held);
    if (head !== null) {
      this.#held = this.#held.slice(head[0].length);
      this.#state = "arguments";
      return [{ type: "call_started", index: this.#calls++, name: JSON.parse(head[1] as string) as string }];
    }
    const at = this.#held.indexOf(CALL_CLOSE);
    if (at < 0) return [];
    const text = this.#held.slice(0, at);
    const call = this.#wholeCall(text);
    this.#state = "content";
    this.#held = this.#held.slice(at + CALL_CLOSE.length);
    return call ?? this.#content(CALL_OPEN + text + CALL_CLOSE, { last: false });
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
    if (call === undefined) return undefined;
    const index = this.#calls++;
    return [
      { type: "call_started", index, name: call.name },
      { type: "call_arguments", index, text: call.arguments },
    ];
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
    return kept === "" ? [] : [{ type: "content", text: kept }];
  }
}
