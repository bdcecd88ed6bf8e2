/** A chat completion in OpenAI's shapes, with the additions of llama.cpp's server (`timings`, `prompt_progress`). */
import { unreachable } from "../../core/events.ts";
import type { Timings, TokenChance, TokenLogprob } from "../../engine/protocol.ts";
import type { ChatEvent, FinishReason } from "../chat/chat.ts";
import { randomId } from "../chat/ids.ts";
import type { Reply } from "../chat/reply.ts";
import type { ReplyPart } from "../chat/reply-parser.ts";
import type { ServeSettings } from "../services.ts";
import type { Usage } from "../chat/usage.ts";

export interface CompletionHead {
  id: string;
  created: number;
  model: string;
}

export function createHead(model: string, now: Date): CompletionHead {
  return { id: `chatcmpl-${randomId(24)}`, created: Math.floor(now.getTime() / 1000), model };
}

export interface WireOptions {
  /** Default `content`: `reasoning_content`. */
  reasoningField?: ServeSettings["reasoningField"];
  /** Calls leave as `function_call`. */
  legacyCalls?: boolean;
  /** Choices have `logprobs`. */
  logprobs?: boolean;
}

export interface ChunkOptions extends WireOptions {
  includeUsage: boolean;
  includeProgress: boolean;
  /** How many answers there will be; default 1. */
  n?: number;
}

/** Chunks of the stream for one event of the answer with this number; the role goes out before the first part. */
export function createChunker(
  head: CompletionHead,
  options: ChunkOptions,
): (event: ChatEvent, index?: number) => unknown[] {
  const usages: Usage[] = [];
  const chunk = (choice: object, extra: object = {}): unknown => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }],
    ...extra,
  });
  const finished = (index: number, event: Extract<ChatEvent, { type: "finished" }>): unknown[] => {
    usages.push(event.usage);
    const last = chunk(
      { index, finish_reason: toFinishReason(event.reason, options) },
      { timings: toTimings(event.timings) },
    );
    if (!options.includeUsage || usages.length < (options.n ?? 1)) return [last];
    const usage = toOpenAiUsage(sumUsage(usages));
    return [last, { ...head, object: "chat.completion.chunk", choices: [], usage }];
  };
  return (event, index = 0) => {
    switch (event.type) {
      case "accepted":
        return [chunk({ index, delta: { role: "assistant", content: null } })];
      case "progress": {
        const { total, cached: cache, processed, elapsedMs } = event;
        return options.includeProgress
          ? [chunk({ index }, { prompt_progress: { total, cache, processed, time_ms: elapsedMs } })]
          : [];
      }
      case "part":
        return [chunk({ index, delta: toDelta(event.part, options), ...toPartLogprobs(event, options) })];
      case "finished":
        return finished(index, event);
      default:
        return unreachable(event);
    }
  };
}

function toPartLogprobs(
  { part, logprobs }: Extract<ChatEvent, { type: "part" }>,
  options: WireOptions,
): { logprobs?: unknown } {
  if (options.logprobs !== true || part.type !== "content") return {};
  return { logprobs: toOpenAiLogprobs(logprobs ?? []) };
}

function toDelta(part: ReplyPart, options: WireOptions): unknown {
  switch (part.type) {
    case "content":
      return { content: part.text };
    case "reasoning":
      return toReasoning(part.text, options);
    case "call_started": {
      const { index, id, name } = part;
      if (options.legacyCalls === true) return { function_call: { name, arguments: "" } };
      return { tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] };
    }
    case "call_arguments":
      if (options.legacyCalls === true) return { function_call: { arguments: part.text } };
      return { tool_calls: [{ index: part.index, function: { arguments: part.text } }] };
    default:
      return unreachable(part);
  }
}

function toReasoning(text: string, { reasoningField = "content" }: WireOptions): object {
  if (reasoningField === "both") return { reasoning_content: text, reasoning: text };
  return reasoningField === "reasoning" ? { reasoning: text } : { reasoning_content: text };
}

function toFinishReason(reason: FinishReason, { legacyCalls }: WireOptions): string {
  return reason === "tool_calls" && legacyCalls === true ? "function_call" : reason;
}

/** The whole answer to a request without `stream`; several replies are several choices. */
export function toCompletion(
  head: CompletionHead,
  replies: Reply | readonly Reply[],
  options: WireOptions = {},
): unknown {
  const all: readonly Reply[] = Array.isArray(replies) ? replies : [replies as Reply];
  const [first] = all;
  return {
    ...head,
    object: "chat.completion",
    choices: all.map((reply, index) => toChoice(reply, index, options)),
    usage: toOpenAiUsage(sumUsage(all.map(({ usage }) => usage))),
    ...(first === undefined ? {} : { timings: toTimings(first.timings) }),
  };
}

function toChoice(reply: Reply, index: number, options: WireOptions): unknown {
  const { content, reasoning, calls, reason } = reply;
  return {
    index,
    message: {
      role: "assistant",
      content: content === "" && calls.length > 0 ? null : content,
      ...(reasoning === "" ? {} : toReasoning(reasoning, options)),
      ...toCalls(calls, options),
    },
    ...(options.logprobs === true ? { logprobs: toOpenAiLogprobs(reply.logprobs) } : {}),
    finish_reason: toFinishReason(reason, options),
  };
}

function toCalls(calls: Reply["calls"], { legacyCalls }: WireOptions): object {
  const [first] = calls;
  if (first === undefined) return {};
  if (legacyCalls === true) return { function_call: { name: first.name, arguments: first.arguments } };
  return { tool_calls: calls.map(({ id, ...call }) => ({ id, type: "function", function: call })) };
}

function toOpenAiLogprobs(tokens: readonly TokenLogprob[]): unknown {
  const toChance = ({ token, logprob, bytes }: TokenChance): object => ({ token, logprob, bytes });
  return {
    content: tokens.map((one) => ({ ...toChance(one), top_logprobs: one.top.map(toChance) })),
    refusal: null,
  };
}

/** Several answers to one prompt: it counts once. */
export function sumUsage(usages: readonly Usage[]): Usage {
  const sum = (key: keyof Usage): number => usages.reduce((total, usage) => total + usage[key], 0);
  const promptTokens = usages[0]?.promptTokens ?? 0;
  const completionTokens = sum("completionTokens");
  return {
    promptTokens,
    cachedTokens: usages[0]?.cachedTokens ?? 0,
    completionTokens,
    reasoningTokens: sum("reasoningTokens"),
    totalTokens: promptTokens + completionTokens,
  };
}

export function toOpenAiUsage(usage: Usage): unknown {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.totalTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}

/** `prompt_n` counts only what had to be evaluated, as llama.cpp's server does. */
export function toTimings(timings: Timings): unknown {
  const { promptTokens, cachedTokens, promptMs, completionTokens, completionMs } = timings;
  const evaluated = promptTokens - cachedTokens;
  return {
    cache_n: cachedTokens,
    prompt_n: evaluated,
    prompt_ms: round(promptMs),
    prompt_per_second: rate(evaluated, promptMs),
    predicted_n: completionTokens,
    predicted_ms: round(completionMs),
    predicted_per_second: rate(completionTokens, completionMs),
    ...(timings.draftedTokens === undefined
      ? {}
      : { draft_n: timings.draftedTokens, draft_n_accepted: timings.acceptedTokens ?? 0 }),
  };
}

function rate(count: number, ms: number): number {
  return ms > 0 ? round((count * 1000) / ms) : 0;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
