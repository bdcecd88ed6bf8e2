/**
 * What of the conversation is sent. The prompt only grows: each request extends the one before it byte by byte, so that a local
 * server never reads the same text twice. What breaks this is reported with its price.
 */
import { escapeControlTokens, mapTexts } from "./control-tokens.ts";
import type { Message } from "./message.ts";
import { byteLength } from "./message-size.ts";
import type { ModelProfile, ToolSchema } from "./model.ts";
import type { Tool } from "./tool.ts";

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

/** The messages of the next request: all, or the newest requests that the profile can hold; the newest one always. */
export function selectMessages(messages: readonly Message[], profile: ModelProfile): readonly Message[] {
  const { recentRequests, recentBytes = Infinity } = profile;
  if (recentRequests === undefined) return messages;
  const starts = messages.flatMap((message, index) => (message.role === "user" ? [index] : []));
  const fitting = starts
    .slice(-recentRequests)
    .find((start) => toBytes(messages.slice(start)) <= recentBytes);
  const first = fitting ?? starts.at(-1);
  if (first === undefined || first <= 1) return messages;
  return [...messages.filter((message) => message.role === "system"), ...messages.slice(first)];
}

function toBytes(messages: readonly Message[]): number {
  return messages.reduce((sum, message) => sum + byteLength(JSON.stringify(message)), 0);
}

export interface BrokenPrefix {
  /** Of the last request, that this one cannot reuse. */
  bytes: number;
  what: "tools" | "messages";
}

/** Compares each request with the one before it, byte by byte. */
export class PrefixContract {
  #messages: readonly string[] = [];
  #tools = "";

  /** `undefined` when the request only grew. */
  check(messages: readonly Message[], tools: readonly ToolSchema[]): BrokenPrefix | undefined {
    const previous = this.#messages;
    const previousTools = this.#tools;
    this.#messages = messages.map(toText);
    this.#tools = JSON.stringify(tools);
    if (previous.length === 0) return undefined;
    if (previousTools !== this.#tools)
      return { what: "tools", bytes: byteLength([previousTools, ...previous].join("")) };
    const changed = previous.findIndex((text, index) => text !== this.#messages[index]);
    return changed < 0
      ? undefined
      : { what: "messages", bytes: byteLength(previous.slice(changed).join("")) };
  }
}

/** As a server sees it: whose words they are is not sent. */
function toText(message: Message): string {
  return JSON.stringify(message, (key, value: unknown) => (key === "note" ? undefined : value));
}
