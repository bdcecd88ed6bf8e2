/** A chat completion in OpenAI's shapes, with the additions of llama.cpp's server (`timings`, `prompt_progress`). */
import { unreachable } from "../../core/events.ts";
import type { Timings } from "../../engine/protocol.ts";
import type { ChatEvent, FinishReason } from "../chat.ts";
import { randomId } from "../ids.ts";
import type { Reply } from "../reply.ts";
import type { ReplyPart } from "../reply-parser.ts";

export interface CompletionHead {
  id: string;
  created: number;
  model: string;
}

export function createHead(model: string, now: Date): CompletionHead {
  return { id: `chatcmpl-${randomId(24)}`, created: Math.floor(now.getTime() / 1000), model };
}

export interface ChunkOptions {
  includeUsage: boolean;
  includeProgress: boolean;
}

/** Chunks of the stream for one event; the role goes out before the first part. */
export function createChunker(
  head: CompletionHead,
  { includeUsage, includeProgress }: ChunkOptions,
): (event: ChatEvent) => unknown[] {
  const chunk = (delta: unknown, finish: FinishReason | null = null, extra: object = {}): unknown => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...extra,
  });
  const finished = (reason: FinishReason, timings: Timings): unknown[] => {
    const usage = { ...head, object: "chat.completion.chunk", choices: [], usage: toUsage(timings) };
    return [chunk({}, reason, { timings: toTimings(timings) }), ...(includeUsage ? [usage] : [])];
  };
  return (event) => {
    switch (event.type) {
      case "accepted":
        return [chunk({ role: "assistant", content: null })];
      case "progress": {
        const { total, cached: cache, processed, elapsedMs } = event;
        return includeProgress
          ? [chunk({}, null, { prompt_progress: { total, cache, processed, time_ms: elapsedMs } })]
          : [];
      }
      case "part":
        return [chunk(toDelta(event.part))];
      case "finished":
        return finished(event.reason, event.timings);
      default:
        return unreachable(event);
    }
  };
}

function toDelta(part: ReplyPart): unknown {
  switch (part.type) {
    case "content":
      return { content: part.text };
    case "reasoning":
      return { reasoning_content: part.text };
    case "call_started":
      return {
        tool_calls: [
          { index: part.index, id: part.id, type: "function", function: { name: part.name, arguments: "" } },
        ],
      };
    case "call_arguments":
      return { tool_calls: [{ index: part.index, function: { arguments: part.text } }] };
    default:
      return unreachable(part);
  }
}

/** The whole reply, for a request without `stream`. */
export function toCompletion(
  head: CompletionHead,
  { content, reasoning, calls, reason, timings }: Reply,
): unknown {
  const toolCalls = calls.map(({ id, ...call }) => ({ id, type: "function", function: call }));
  return {
    ...head,
    object: "chat.completion",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: content === "" && calls.length > 0 ? null : content,
          ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
          ...(calls.length === 0 ? {} : { tool_calls: toolCalls }),
        },
        finish_reason: reason,
      },
    ],
    usage: toUsage(timings),
    timings: toTimings(timings),
  };
}

function toUsage({ promptTokens, completionTokens, cachedTokens }: Timings): unknown {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/** `prompt_n` counts only what had to be evaluated, as llama.cpp's server does. */
function toTimings({
  promptTokens,
  cachedTokens,
  promptMs,
  completionTokens,
  completionMs,
}: Timings): unknown {
  const evaluated = promptTokens - cachedTokens;
  return {
    cache_n: cachedTokens,
    prompt_n: evaluated,
    prompt_ms: round(promptMs),
    prompt_per_second: rate(evaluated, promptMs),
    predicted_n: completionTokens,
    predicted_ms: round(completionMs),
    predicted_per_second: rate(completionTokens, completionMs),
  };
}

function rate(count: number, ms: number): number {
  return ms > 0 ? round((count * 1000) / ms) : 0;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
