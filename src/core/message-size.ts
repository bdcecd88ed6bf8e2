/** How long messages are as a chat template writes them: their texts, with a little for what stands around each. */
import type { Message } from "./message.ts";
import type { ToolSchema } from "./model.ts";

/** The marks of a role before and after a message. */
const FRAME_BYTES = 20;

const encoder = new TextEncoder();
const known = new WeakMap<Message, number>();
const toolsTexts = new WeakMap<readonly ToolSchema[], string>();

export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** UTF-8 bytes of the words of a message, thinking with them; images are not counted. Remembered, since messages never change. */
export function messageBytes(message: Message): number {
  const before = known.get(message);
  if (before !== undefined) return before;
  const bytes = FRAME_BYTES + textsOf(message).reduce((sum, text) => sum + byteLength(text), 0);
  known.set(message, bytes);
  return bytes;
}

export function messagesBytes(messages: readonly Message[]): number {
  return messages.reduce((sum, message) => sum + messageBytes(message), 0);
}

export function toolsBytes(tools: readonly ToolSchema[]): number {
  return tools.length === 0 ? 0 : byteLength(toToolsText(tools));
}

export function isSameTools(one: readonly ToolSchema[], other: readonly ToolSchema[]): boolean {
  return one === other || toToolsText(one) === toToolsText(other);
}

function toToolsText(tools: readonly ToolSchema[]): string {
  const before = toolsTexts.get(tools);
  if (before !== undefined) return before;
  const text = JSON.stringify(tools);
  toolsTexts.set(tools, text);
  return text;
}

/** Of `messagesBytes`, those of thinking, which many chat templates leave out. */
export function thinkingBytes(messages: readonly Message[]): number {
  return messages.reduce(
    (sum, message) => sum + (message.role === "assistant" ? byteLength(message.reasoning_content ?? "") : 0),
    0,
  );
}

export function imageCount(messages: readonly Message[]): number {
  return messages
    .flatMap(({ content }) => (Array.isArray(content) ? content : []))
    .filter(({ type }) => type === "image_url").length;
}

function textsOf(message: Message): string[] {
  const { content } = message;
  const texts = Array.isArray(content)
    ? content.map((part) => (part.type === "text" ? part.text : ""))
    : [content ?? ""];
  if (message.role !== "assistant") return texts;
  const calls = (message.tool_calls ?? []).flatMap(({ function: made }) => [made.name, made.arguments]);
  return [...texts, message.reasoning_content ?? "", ...calls];
}
