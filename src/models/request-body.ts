import type { ContentPart, Message } from "../core/message.ts";
import type { ModelRequest } from "../core/model.ts";
import type { OptionalField, RequestFieldOptions } from "./request-fields.ts";
import { toOptionalFields } from "./request-fields.ts";

export interface RequestBodyOptions extends RequestFieldOptions {
  model: string;
}

/**
 * The text of a request. Messages come last and everything before them stays the same, so that the text of one request is
 * the beginning of the next one's: what a server has read, it need not read again. What one request alone asks for (a forced call, none,
 * no thinking) stands in fields that are not part of the prompt.
 */
export function toRequestBody(request: ModelRequest, options: RequestBodyOptions): string {
  const { model, refused } = options;
  const body = JSON.stringify({
    model,
    stream: true,
    ...toOptionalFields(request, options),
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
