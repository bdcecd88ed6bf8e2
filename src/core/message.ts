/**
 * `Message` is the OpenAI chat message, as sent and as stored
 * (https://platform.openai.com/docs/api-reference/chat/create). Snake case is the protocol's.
 */
export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** Words that are neither the user's nor the model's but ours. They are not sent as such: a server sees an ordinary message. */
export const OWN_NOTES = ["nudge", "compaction"] as const;
export type OwnNote = (typeof OWN_NOTES)[number];

export interface SystemMessage {
  role: "system";
  content: string;
}

export interface UserMessage {
  role: "user";
  content: string | ContentPart[];
  note?: OwnNote;
}

export type ContentPart = { type: "text"; text: string } | { type: "image_url"; image_url: { url: string } };

export interface AssistantMessage {
  role: "assistant";
  content: string | null;
  /** Thinking that the server separated; sent back within a run so that templates can keep it. */
  reasoning_content?: string;
  tool_calls?: ToolCall[];
  note?: OwnNote;
}

export interface ToolMessage {
  role: "tool";
  tool_call_id: string;
  content: string;
}

export interface ToolCall {
  id: string;
  type: "function";
  /** `arguments` is always valid JSON text of an object: what the model wrote, repaired, or `{}`. */
  function: { name: string; arguments: string };
}

/** Stands in place of the answer that a request never got, where turns have to alternate. */
export const NO_ANSWER = "(interrupted)";

/** The words of a message, images left out. */
export function messageText(message: Message): string {
  if (message.content === null) return "";
  if (typeof message.content === "string") return message.content;
  return message.content.map((part) => (part.type === "text" ? part.text : "")).join("");
}
