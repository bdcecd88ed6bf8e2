/** Completions in OpenAI's old shapes. */
import type { GenerateEvent, StopReason, Timings, TokenLogprob } from "../../engine/protocol.ts";
import { randomId } from "../chat/ids.ts";
import type { Usage } from "../chat/usage.ts";
import { toOpenAiUsage, toTimings } from "./chat-wire.ts";
import type { CompletionHead } from "./chat-wire.ts";

export function createCompletionHead(model: string, now: Date): CompletionHead {
  return { id: `cmpl-${randomId(24)}`, created: Math.floor(now.getTime() / 1000), model };
}

/** One answer, put together. */
export interface CompletionChoice {
  text: string;
  logprobs: TokenLogprob[];
  reason: StopReason;
  timings: Timings;
}

export type CompletionEvent = GenerateEvent | { type: "echo"; text: string };

export const NO_TIMINGS: Timings = {
  promptTokens: 0,
  cachedTokens: 0,
  promptMs: 0,
  completionTokens: 0,
  completionMs: 0,
};

export function addCompletionEvent(choice: CompletionChoice, event: CompletionEvent): void {
  if (event.type === "echo") choice.text += event.text;
  else if (event.type === "text") {
    choice.text += event.text;
    choice.logprobs.push(...(event.logprobs ?? []));
  } else if (event.type === "done") {
    choice.reason = event.reason;
    choice.timings = event.timings;
  }
}

/** Prompts are counted once each, however many answers they got. */
export function toCompletionUsage(all: readonly Timings[], n: number): Usage {
  const prompts = all.filter((_, index) => index % n === 0);
  const sum = (list: readonly Timings[], key: "promptTokens" | "cachedTokens" | "completionTokens"): number =>
    list.reduce((total, one) => total + one[key], 0);
  const promptTokens = sum(prompts, "promptTokens");
  const completionTokens = sum(all, "completionTokens");
  return {
    promptTokens,
    cachedTokens: sum(prompts, "cachedTokens"),
    completionTokens,
    reasoningTokens: 0,
    totalTokens: promptTokens + completionTokens,
  };
}

export function toCompletionBody(
  head: CompletionHead,
  choices: readonly CompletionChoice[],
  { n, logprobs }: { n: number; logprobs: boolean },
): unknown {
  const all = choices.map(({ timings }) => timings);
  return {
    ...head,
    object: "text_completion",
    choices: choices.map((choice, index) => ({
      text: choice.text,
      index,
      logprobs: logprobs ? toOldLogprobs(choice.logprobs, 0) : null,
      finish_reason: toFinish(choice.reason),
    })),
    usage: toOpenAiUsage(toCompletionUsage(all, n)),
    timings: toTimings(all[0] ?? NO_TIMINGS),
  };
}

export interface CompletionChunkOptions {
  includeUsage: boolean;
  includeProgress: boolean;
  logprobs: boolean;
  n: number;
  /** Answers in all. */
  total: number;
}

/** Chunks of the stream for one event of the answer with this number. */
export function createCompletionChunker(
  head: CompletionHead,
  options: CompletionChunkOptions,
): (event: CompletionEvent, index: number) => unknown[] {
  const done: Timings[] = [];
  const offsets = new Map<number, number>();
  let finished = 0;
  const chunk = (choice: object, extra: object = {}): unknown => ({
    ...head,
    object: "text_completion",
    choices: [{ text: "", index: 0, logprobs: null, finish_reason: null, ...choice }],
    ...extra,
  });
  const toText = (index: number, text: string, logprobs: readonly TokenLogprob[]): unknown[] => {
    const offset = offsets.get(index) ?? 0;
    offsets.set(index, offset + text.length);
    return [
      chunk({ index, text, ...(options.logprobs ? { logprobs: toOldLogprobs(logprobs, offset) } : {}) }),
    ];
  };
  return (event, index) => {
    switch (event.type) {
      case "echo":
        return event.text === "" ? [] : toText(index, event.text, []);
      case "text":
        return toText(index, event.text, event.logprobs ?? []);
      case "progress": {
        const { total, cached: cache, processed, elapsedMs } = event;
        return options.includeProgress
          ? [chunk({ index }, { prompt_progress: { total, cache, processed, time_ms: elapsedMs } })]
          : [];
      }
      case "done": {
        done[index] = event.timings;
        finished += 1;
        const last = chunk(
          { index, finish_reason: toFinish(event.reason) },
          { timings: toTimings(event.timings) },
        );
        if (!options.includeUsage || finished < options.total) return [last];
        const usage = toOpenAiUsage(toCompletionUsage(done, options.n));
        return [last, { ...head, object: "text_completion", choices: [], usage }];
      }
      default:
        return [];
    }
  };
}

function toFinish(reason: StopReason): "stop" | "length" {
  return reason === "length" ? "length" : "stop";
}

function toOldLogprobs(tokens: readonly TokenLogprob[], from: number): unknown {
  let at = from;
  const offsets = tokens.map(({ token }) => {
    const offset = at;
    at += token.length;
    return offset;
  });
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) => Object.fromEntries(top.map((one) => [one.token, one.logprob]))),
    text_offset: offsets,
  };
}
