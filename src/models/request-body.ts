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
  return JSON.stringify({
    model,
    stream: true,
    ...optional,
    ...(request.tools.length > 0 ? { tools: request.tools } : {}),
    messages: request.messages.map((message) => toWireMessage(message, refused)),
  });
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
  return { id, type: "function", function: { name: made.name, arguments: made.arguments } };
}

function toContent(content: string | readonly ContentPart[]): unknown {
  if (typeof content === "string") return content;
  return content.map((part) =>
    part.type === "text"
      ? { type: "text", text: part.text }
      : { type: "image_url", image_url: { url: part.image_url.url } },
  );
}
