/** Watches a reply while it streams and stops it when going on is of no use: endless thinking, or the same text again and again. */
import { byteLength } from "./message-size.ts";
import type { ModelEvent, ModelReply } from "./model.ts";
import { TextRepetition } from "./text-repetition.ts";
import { toThinkingBytes, toTolerance } from "./thinking-budget.ts";

export type StopCode = "text_repeated" | "thinking_budget";

/** A reply that was stopped here, as far as it is worth keeping. Its finish is `length`, and it has no calls. */
export interface StoppedReply {
  code: StopCode;
  reply: ModelReply;
}

/** Of the budget, what is kept of the thinking for the model to go on from. */
const KEPT_SHARE = 0.5;
const MOST_KEPT_CHARS = 4_000;
const CHARS_PER_TOKEN = 4;

export class ReplyWatch {
  readonly #thinkingTokens: number;
  #texts = new TextRepetition();
  #thoughts = new TextRepetition();
  #text = "";
  #thinking = "";
  #thinkingBytes = 0;

  constructor({ thinkingTokens }: { thinkingTokens: number }) {
    this.#thinkingTokens = toTolerance(thinkingTokens);
  }

  /** Takes what streams in; returns the reply when it is to be stopped now. */
  take(event: ModelEvent): StoppedReply | undefined {
    if (event.type === "text_delta") return this.#takeText(event.text);
    if (event.type === "thinking_delta") return this.#takeThinking(event.text);
    if (event.type === "retry") this.#startAnew();
    return undefined;
  }

  #startAnew(): void {
    this.#texts = new TextRepetition();
    this.#thoughts = new TextRepetition();
    this.#text = "";
    this.#thinking = "";
    this.#thinkingBytes = 0;
  }

  #takeText(text: string): StoppedReply | undefined {
    this.#text += text;
    const found = this.#texts.push(text);
    if (found === undefined) return undefined;
    return this.#stop("text_repeated", { text: cutEnd(this.#text, found.repeatedChars) });
  }

  #takeThinking(text: string): StoppedReply | undefined {
    // A server that does not stream sends all its thoughts at once, and the answer with them: only who goes on is stopped.
    const isOver = this.#thinkingBytes > toThinkingBytes(this.#thinkingTokens);
    this.#thinking += text;
    this.#thinkingBytes += byteLength(text);
    const found = this.#thoughts.push(text);
    if (found !== undefined) {
      const thinking = cutEnd(this.#thinking, found.repeatedChars);
      return this.#stop("text_repeated", { thinking: this.#newest(thinking) });
    }
    if (!isOver) return undefined;
    return this.#stop("thinking_budget", { thinking: this.#newest(this.#thinking) });
  }

  #stop(code: StopCode, kept: { text?: string; thinking?: string }): StoppedReply {
    return { code, reply: { text: "", thinking: "", calls: [], finish: "length", ...kept } };
  }

  #newest(thinking: string): string {
    const most = Math.min(MOST_KEPT_CHARS, Math.floor(this.#thinkingTokens * KEPT_SHARE * CHARS_PER_TOKEN));
    if (thinking.length <= most) return thinking.trim();
    const tail = most === 0 ? "" : thinking.slice(-most);
    // From a whole word on, and not from half a character.
    return tail
      .replace(/^\S{0,40}\s/, "")
      .replace(/^[\uDC00-\uDFFF]/, "")
      .trim();
  }
}

function cutEnd(text: string, chars: number): string {
  return text
    .slice(0, Math.max(0, text.length - chars))
    .replace(/[\uD800-\uDBFF]$/, "")
    .trimEnd();
}
