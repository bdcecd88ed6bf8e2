import type { ContentPart, Message } from "../core/message.ts";
import type { ModelRequest, ServerKind } from "../core/model.ts";

/** Fields that a server may refuse and that a reply can do without. `reasoning_content` is one of messages. */
export const OPTIONAL_FIELDS = [
  "stream_options",
  "temperature",
  "max_tokens",
  "max_completion_tokens",
  "tool_choice",
  "cache_prompt",
  "return_progress",
  "id_slot",
  "reasoning_content",
] as const;

export type OptionalField = (typeof OPTIONAL_FIELDS)[number];

export interface RequestBodyOptions {
  model: string;
  server: ServerKind | undefined;
  temperature: number | undefined;
  maxTokens: number | undefined;
  /** Refused by this server before. */
  refused: ReadonlySet<OptionalField>;
}

/**
 * The text of a request. Messages come last and everything before them stays the same, so that the text of one request is
 * the beginning of the next one's: what a server has read, it need not read again.
 */
export function toRequestBody(request: ModelRequest, options: RequestBodyOptions): string {
  const { model, server, temperature, maxTokens, refused } = options;
  const slots = server === "llama-server" || server === "lmagent";
  const optional: Partial<Record<OptionalField, unknown>> = {
    stream_options: { include_usage: true },
    temperature,
    max_tokens: maxTokens,
    // The newer name, only for servers that insist on it.
    ...(refused.has("max_tokens") ? { max_completion_tokens: maxTokens } : {}),
    tool_choice: request.tools.length > 0 ? request.toolChoice : undefined,
    ...(slots ? { cache_prompt: true, return_progress: true, id_slot: request.slot } : {}),
  };
  for (const field of refused) delete optional[field];
  const body = JSON.stringify({
    model,
    stream: true,
    ...optional,
    ...(request.tools.length > 0 ? { tools: request.tools } : {}),
    messages: request.messages.map((message) => toWireMessage(message, refused)),
  });
  return replaceLoneSurrogates(body);
}

/** Escapes of JSON, so that a backslash which is itself escaped begins none: pairs of surrogates, lone ones, all others. */
const ESCAPES = /\\ud[89ab][\da-f]{2}\\ud[c-f][\da-f]{2}|\\ud[89a-f][\da-f]{2}|\\[^]/gi;
const LONE_LENGTH = "\\ud83d".length;

/**
 * Halves of characters, as cut texts hold, in JSON; `JSON.stringify` writes just these as escapes. Strict servers refuse a
 * request with one, and with it every later request of the conversation.
 */
function replaceLoneSurrogates(json: string): string {
  if (!/\\ud[89a-f]/i.test(json)) return json;
  return json.replace(ESCAPES, (escape) => (escape.length === LONE_LENGTH ? "\ufffd" : escape));
}

/** The same keys in the same order, whoever made the message and however it was stored in between. */
function toWireMessage(message: Message, refused: ReadonlySet<OptionalField>): Record<string, unknown> {
  if (message.role === "tool") {
    return { role: "tool", tool_call_id: message.tool_call_id, content: message.content };
  }
  if (message.role !== "assistant") return { role: message.role, content: toContent(message.content) };
  const { content, reasoning_content, tool_calls } = message;
  const keepsThinking = reasoning_content !== undefined && !refused.has("reasoning_content");
  return {
    role: "assistant",
    content,
    ...(keepsThinking ? { reasoning_content } : {}),
    ...(tool_calls && tool_calls.length > 0 ? { tool_calls: tool_calls.map(toWireCall) } : {}),
  };
}

function toWireCall({
  id,
  function: made,
}: {
  id: string;
  function: { name: string; arguments: string };
}): unknown {
  return {
    id,
    type: "function",
    function: { name: made.name, arguments: replaceLoneSurrogates(made.arguments) },
  };
}

function toContent(content: string | readonly ContentPart[]): unknown {
  if (typeof content === "string") return content;
  return content.map((part) =>
    part.type === "text"
      ? { type: "text", text: part.text }
      : { type: "image_url", image_url: { url: part.image_url.url } },
  );
}
