/** Puts messages into the order that chat templates accept, for dialects whose conversations are freer than OpenAI's chat. */
import type { ContentPart, Message, UserMessage } from "../../core/message.ts";

type UserContent = UserMessage["content"];

/**
 * System messages at the beginning become one, and so do user messages in a row: many templates refuse anything but turns that
 * alternate, and Anthropic defines it so. Later system messages, which many templates refuse or leave out without a word, become part
 * of what the user says there, in the words that `toNote` makes of them. Nothing else changes.
 */
export function joinTurns(
  messages: readonly Message[],
  { toNote = (text) => text }: { toNote?: (text: string) => string } = {},
): Message[] {
  const joined: Message[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    if (message.role === "user") addToUser(joined, message.content);
    else if (message.role !== "system" || last === undefined) joined.push(message);
    else if (last.role === "system")
      joined[joined.length - 1] = { role: "system", content: `${last.content}\n\n${message.content}` };
    else if (last.role === "tool")
      joined[joined.length - 1] = { ...last, content: `${last.content}\n\n${toNote(message.content)}` };
    else addToUser(joined, toNote(message.content));
  }
  return joined;
}

function addToUser(joined: Message[], content: UserContent): void {
  const last = joined.at(-1);
  if (last?.role !== "user")
    joined.push({ role: "user", content: Array.isArray(content) ? [...content] : content });
  else last.content = joinContent(last.content, content);
}

/** Grows a list in place: there may be very many. */
function joinContent(before: UserContent, after: UserContent): UserContent {
  if (before === "") return after;
  if (typeof before === "string" && typeof after === "string") return `${before}\n\n${after}`;
  const parts = toParts(before);
  parts.push({ type: "text", text: "\n\n" });
  for (const part of toParts(after)) parts.push(part);
  return parts;
}

function toParts(content: UserContent): ContentPart[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/** Text alone stays a string. */
export function toUserContent(parts: readonly ContentPart[]): UserContent {
  if (parts.some(({ type }) => type !== "text")) return [...parts];
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("\n");
}

const DATA_URL = /^data:image\/[a-z0-9.+-]+;base64,/i;

/** Images come inside the request: nothing is fetched for a client. */
export function isImageData(url: string): boolean {
  return DATA_URL.test(url.slice(0, 100));
}
