/**
 * Learns from the server's own counts how many tokens a text has, and how fast the server is. Counts come from outside: what cannot be
 * true is not believed.
 */
import type { Message } from "./message.ts";
import { imageCount, isSameTools, messagesBytes, thinkingBytes, toolsBytes } from "./message-size.ts";
import type { ToolSchema, Usage } from "./model.ts";

/** Bytes of English, code and JSON per token, on the careful side. */
const FIRST_BYTES_PER_TOKEN = 3;
/** No tokenizer makes more of a text than one token a byte, and none of what people write much less than one in eight. */
const FEWEST_BYTES_PER_TOKEN = 0.9;
const MOST_BYTES_PER_TOKEN = 8;
/** How far one count may move what was learned from those before it. */
const MOST_CHANGE = 1.5;
/** About what the common vision models take for one picture. */
const IMAGE_TOKENS = 1_000;
/** Fewer tell more of the connection than of the server's speed. */
const FEWEST_TIMED_TOKENS = 32;
const FASTEST = 1_000_000;
/** Less thinking than this makes no difference. */
const NOTABLE_SHARE = 0.1;
/** Windows smaller than this are believed only when a server names them. */
const LEAST_GUESS = 4_096;
/** A count of what was read anew alone is about what was added, never so many times as much. */
const MOST_PARTIAL = 2;
/** One such count may have another cause. */
const CUTS_BELIEVED = 2;
/** Weight of the newest rate. */
const NEWEST = 0.5;

export interface Prompt {
  messages: readonly Message[];
  tools: readonly ToolSchema[];
}

export interface TokenCount {
  tokens: number;
  /** Those of `tokens` that the server has not read yet, as far as is known. */
  newTokens: number;
  /** `server`: its own count of the last request, and what was added since by the ratio learned from it. */
  source: "server" | "estimate";
}

/** How long a reply took, in milliseconds. */
export interface ReplyTimes {
  toFirstDeltaMs: number;
  fromFirstDeltaMs: number;
  /** Of the prompt, not read before. */
  newTokens: number;
}

interface CountedPrompt extends Prompt {
  tokens: number;
}

export class TokenMeter {
  #bytesPerToken = FIRST_BYTES_PER_TOKEN;
  #calibrated = false;
  /** Whether the chat template keeps thinking. */
  #countsThinking = true;
  #counted: CountedPrompt | undefined;
  #sent: Prompt | undefined;
  #windowTokens: number | undefined;
  /** Counts in a row that only a cut prompt explains. */
  #cuts = 0;
  /** The server has counted only what it had to read anew. */
  #countsParts = false;
  /** The prompt that was counted last, believed or not. */
  #noted: Prompt | undefined;
  #prefill: number | undefined;
  #decode: number | undefined;

  /** `bytesPerToken`: as an earlier process has learned it; what cannot be true is not believed. */
  constructor({ bytesPerToken = 0 }: { bytesPerToken?: number | undefined } = {}) {
    if (!(bytesPerToken >= FEWEST_BYTES_PER_TOKEN && bytesPerToken <= MOST_BYTES_PER_TOKEN)) return;
    this.#bytesPerToken = bytesPerToken;
    this.#calibrated = true;
  }

  get bytesPerToken(): number {
    return this.#bytesPerToken;
  }

  /** Whether thinking of earlier turns takes room: many chat templates leave it out. */
  get countsThinking(): boolean {
    return this.#countsThinking;
  }

  /** Whether the server has counted anything yet. */
  get calibrated(): boolean {
    return this.#calibrated;
  }

  /** The window as a server's refusal has shown it, or a prompt that it cut; absent: neither came. */
  get windowTokens(): number | undefined {
    return this.#windowTokens;
  }

  /** The server leaves out the beginning of prompts without a word. */
  get cutsPrompts(): boolean {
    return this.#cuts >= CUTS_BELIEVED;
  }

  get prefillTokensPerSecond(): number | undefined {
    return this.#prefill;
  }

  get decodeTokensPerSecond(): number | undefined {
    return this.#decode;
  }

  toTokens(bytes: number): number {
    return Math.ceil(bytes / this.#bytesPerToken);
  }

  toBytes(tokens: number): number {
    return Math.floor(tokens * this.#bytesPerToken);
  }

  toMessageTokens(messages: readonly Message[]): number {
    const dropped = this.#countsThinking ? 0 : thinkingBytes(messages);
    return this.toTokens(messagesBytes(messages) - dropped) + imageCount(messages) * IMAGE_TOKENS;
  }

  /** System message and tools: what every request begins with. */
  toFixedTokens({ messages, tools }: Prompt): number {
    const first = messages[0];
    return this.toTokens(toolsBytes(tools)) + (first?.role === "system" ? this.toMessageTokens([first]) : 0);
  }

  count(prompt: Prompt): TokenCount {
    const counted = this.#counted;
    const { messages } = prompt;
    const exact = counted !== undefined && extendsPrompt(prompt, counted);
    const tokens = exact
      ? counted.tokens + this.toMessageTokens(messages.slice(counted.messages.length))
      : this.toTokens(toolsBytes(prompt.tools)) + this.toMessageTokens(messages);
    return {
      tokens,
      newTokens: Math.min(tokens, this.#newTokens(prompt)),
      source: exact ? "server" : "estimate",
    };
  }

  /** The request is on its way: what it holds is what the server will have read. */
  noteSent(prompt: Prompt): void {
    this.#sent = prompt;
  }

  /** What the server counted for a request that it has answered. */
  note(prompt: Prompt, { promptTokens, prefillTokensPerSecond, decodeTokensPerSecond }: Usage): void {
    this.#prefill = mixRates(this.#prefill, prefillTokensPerSecond);
    this.#decode = mixRates(this.#decode, decodeTokensPerSecond);
    if (promptTokens !== undefined) this.#noteCount(prompt, promptTokens);
  }

  /** For servers that tell no rates. */
  noteTimes({ completionTokens, ...usage }: Usage, times: ReplyTimes): void {
    const { toFirstDeltaMs, fromFirstDeltaMs, newTokens } = times;
    if (usage.prefillTokensPerSecond === undefined)
      this.#prefill = mixRates(this.#prefill, toRate(newTokens, toFirstDeltaMs));
    if (usage.decodeTokensPerSecond === undefined)
      this.#decode = mixRates(this.#decode, toRate(completionTokens ?? 0, fromFirstDeltaMs));
  }

  /** A request was refused as too long. The server's numbers count as far as they can be true. */
  noteOverflow(prompt: Prompt, data: Readonly<Record<string, unknown>>): void {
    const { promptTokens, contextTokens } = data;
    if (isCount(promptTokens)) this.#noteCount(prompt, promptTokens);
    // Without a number, what was refused is too long in any case; of a short prompt that says nothing.
    const guess = Math.floor(this.count(prompt).tokens * 0.9);
    const window = isCount(contextTokens) ? contextTokens : guess < LEAST_GUESS ? undefined : guess;
    if (window !== undefined) this.#noteWindow(window);
  }

  prefillSeconds(tokens: number): number | undefined {
    return this.#prefill === undefined ? undefined : tokens / this.#prefill;
  }

  #noteWindow(tokens: number): void {
    this.#windowTokens = Math.min(tokens, this.#windowTokens ?? Number.POSITIVE_INFINITY);
  }

  #noteCount(prompt: Prompt, tokens: number): void {
    if (!isCount(tokens)) return;
    const thinking = thinkingBytes(prompt.messages);
    const kept = this.#findCut(prompt, { tokens, thinking });
    this.#noted = prompt;
    this.#cuts = kept === undefined ? 0 : this.#cuts + 1;
    if (kept !== undefined) {
      if (this.cutsPrompts) this.#noteWindow(Math.max(kept, LEAST_GUESS));
      return;
    }
    if (this.#isPartial(prompt, { tokens, thinking })) return;
    const whole = toolsBytes(prompt.tools) + messagesBytes(prompt.messages);
    if (this.#calibrated && thinking > whole * NOTABLE_SHARE) {
      const [kept, dropped] = [this.toTokens(whole), this.toTokens(whole - thinking)];
      this.#countsThinking = Math.abs(tokens - kept) <= Math.abs(tokens - dropped);
    }
    const bytes = this.#countsThinking ? whole : whole - thinking;
    const images = imageCount(prompt.messages);
    if (images === 0) {
      const ratio = bytes / tokens;
      if (ratio < FEWEST_BYTES_PER_TOKEN || ratio > MOST_BYTES_PER_TOKEN) return;
      const before = this.#bytesPerToken;
      this.#bytesPerToken = this.#calibrated
        ? Math.min(Math.max(ratio, before / MOST_CHANGE), before * MOST_CHANGE)
        : ratio;
      this.#calibrated = true;
    } else if (tokens > bytes / FEWEST_BYTES_PER_TOKEN + images * 10 * IMAGE_TOKENS) return;
    this.#counted = { ...prompt, tokens };
  }

  /**
   * Some servers leave out the beginning of a prompt that does not fit and say nothing, as Ollama does: a prompt that grew has then hardly
   * more tokens than before. Returns how many have fitted.
   */
  #findCut(prompt: Prompt, { tokens, thinking }: { tokens: number; thinking: number }): number | undefined {
    const counted = this.#counted;
    if (counted === undefined || !extendsPrompt(prompt, counted) || imageCount(prompt.messages) > 0)
      return undefined;
    const added = prompt.messages.slice(counted.messages.length);
    const fewest = (messagesBytes(added) - thinkingBytes(added)) / MOST_BYTES_PER_TOKEN;
    if (tokens >= counted.tokens + fewest - this.toTokens(thinking)) return undefined;
    const before = this.#noted !== undefined && extendsPrompt(prompt, this.#noted) ? this.#noted : counted;
    const newest = prompt.messages.slice(before.messages.length);
    this.#countsParts ||= tokens <= this.toMessageTokens(newest) * MOST_PARTIAL;
    return this.#countsParts ? undefined : Math.max(tokens, counted.tokens);
  }

  /** Some servers count only what they had to read anew. A prompt that grew has not fewer tokens, but for thinking left out since. */
  #isPartial(prompt: Prompt, { tokens, thinking }: { tokens: number; thinking: number }): boolean {
    const counted = this.#counted;
    if (counted === undefined || !extendsPrompt(prompt, counted)) return false;
    return tokens < counted.tokens - this.toTokens(thinking);
  }

  /** The reply to the last request is in the server's memory as well, so only what came after it is new. */
  #newTokens(prompt: Prompt): number {
    const sent = this.#sent;
    if (sent === undefined || !isSameTools(prompt.tools, sent.tools)) return Number.POSITIVE_INFINITY;
    const { messages } = prompt;
    const same = commonLength(messages, sent.messages);
    const isGrown = same === sent.messages.length && messages[same]?.role === "assistant";
    return this.toMessageTokens(messages.slice(isGrown ? same + 1 : same));
  }
}

/** Messages are never changed, so identity is enough. */
function extendsPrompt(prompt: Prompt, earlier: Prompt): boolean {
  return (
    isSameTools(prompt.tools, earlier.tools) &&
    commonLength(prompt.messages, earlier.messages) === earlier.messages.length
  );
}

/** How many messages both begin with. */
export function commonLength(one: readonly Message[], other: readonly Message[]): number {
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index += 1) if (one[index] !== other[index]) return index;
  return length;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 1;
}

function toRate(tokens: number, ms: number): number | undefined {
  return tokens >= FEWEST_TIMED_TOKENS && ms > 0 ? (tokens / ms) * 1_000 : undefined;
}

function mixRates(before: number | undefined, rate: number | undefined): number | undefined {
  if (rate === undefined || !Number.isFinite(rate) || rate <= 0 || rate > FASTEST) return before;
  return before === undefined ? rate : before * (1 - NEWEST) + rate * NEWEST;
}
