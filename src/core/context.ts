/**
 * What of the conversation is sent. The prompt only grows: each request extends the one before it byte by byte, so that a local
 * server never reads the same text twice. What breaks this is reported with its price.
 */
import { escapeControlTokens, mapTexts } from "./control-tokens.ts";
import type { Message } from "./message.ts";
import type { ModelInfo, ModelProfile, ToolSchema } from "./model.ts";
import type { ResultForm } from "./result.ts";
import type { Tool } from "./tool.ts";

/** Bytes of English, code and JSON per token, on the careful side. */
const BYTES_PER_TOKEN = 3;
const RESULT_SHARE = 0.2;
/** Taken when a server does not tell its window. */
const UNKNOWN_WINDOW_TOKENS = 8_192;

/** The tools the model is offered: all, or those its profile knows. */
export function offeredTools(tools: readonly Tool[], profile: ModelProfile): readonly Tool[] {
  return profile.tools ? tools.filter((tool) => profile.tools?.includes(tool.name)) : tools;
}

/** Tools may come from a workspace or from strangers: nothing in what they say of themselves can end the system message. */
export function toToolSchemas(tools: readonly Tool[]): ToolSchema[] {
  return tools.map(({ name, description, parameters }) => ({
    type: "function",
    function: mapTexts({ name, description, parameters }, escapeControlTokens),
  }));
}

/** How one tool result reaches the model: at most a fifth of the window, and in the form its profile wants. */
export function toResultForm({ contextTokens = UNKNOWN_WINDOW_TOKENS, profile }: ModelInfo): ResultForm {
  const byWindow = Math.floor(contextTokens * RESULT_SHARE * BYTES_PER_TOKEN);
  return {
    maxBytes: profile.resultBytes ?? Math.min(48_000, Math.max(byWindow, 600)),
    fields: profile.resultFields,
  };
}

/** The messages of the next request: all, or the newest requests that the profile can hold. */
export function selectMessages(messages: readonly Message[], profile: ModelProfile): readonly Message[] {
  if (profile.recentRequests === undefined) return messages;
  const starts = messages.flatMap((message, index) => (message.role === "user" ? [index] : []));
  const first = starts.at(-profile.recentRequests);
  if (first === undefined || first <= 1) return messages;
  return [...messages.filter((message) => message.role === "system"), ...messages.slice(first)];
}

/** Compares each request with the one before it. Messages are never changed, so identity is enough. */
export class PrefixContract {
  #messages: readonly Message[] = [];
  #tools: readonly ToolSchema[] = [];

  /** Bytes of the last request that this one cannot reuse; 0 when it only grew. */
  check(messages: readonly Message[], tools: readonly ToolSchema[]): number {
    const previous = this.#messages;
    const previousTools = this.#tools;
    const sameTools = previousTools === tools || previous.length === 0;
    this.#messages = messages;
    this.#tools = tools;
    if (!sameTools) return byteLength(previousTools) + byteLength(previous);
    const changed = previous.findIndex((message, index) => message !== messages[index]);
    return changed < 0 ? 0 : byteLength(previous.slice(changed));
  }
}

function byteLength(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
