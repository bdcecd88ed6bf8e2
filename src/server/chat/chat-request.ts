/** One chat completion as every dialect asks for it, whatever its own words are. */
import type { Message } from "../../core/message.ts";
import type { ToolSchema } from "../../core/model.ts";
import type { JsonSchema } from "../../core/tool.ts";
import type { Sampling } from "../../engine/protocol.ts";

export type ToolChoice = "none" | "auto" | "required" | { name: string };

export type ReplyFormat =
  | { type: "text" }
  /** Any JSON object. */
  | { type: "json" }
  /** What llama.cpp's grammar language says. */
  | { type: "gbnf"; grammar: string }
  /** `strict`: a keyword that cannot be kept is refused by name; otherwise it is checked afterwards or relaxed, and the log says so. */
  | { type: "schema"; schema: JsonSchema; strict: boolean };

export interface ChatRequest {
  /** Images as `data:` URLs in `image_url` parts. */
  messages: readonly Message[];
  tools: readonly ToolSchema[];
  toolChoice: ToolChoice;
  /** Of the tools, those that may be called; absent: all. */
  allowedTools?: readonly string[];
  /** Of the tools, those whose schema must be kept to the letter. */
  strictTools?: readonly string[];
  /** More than one call in a reply. */
  parallelCalls: boolean;
  /** What is absent is llama.cpp's default. */
  sampling: Partial<Sampling>;
  /** Absent: what the context leaves. */
  maxTokens?: number;
  stop: readonly string[];
  format: ReplyFormat;
  /** Alternatives per token, 0 to 20; absent: no log-probabilities. */
  logprobs?: number;
  slot?: number;
  /** Variables of the chat template, such as `enable_thinking`. */
  templateVariables?: Readonly<Record<string, unknown>>;
  /** Leave thinking in the text, tags and all. */
  inlineThinking?: boolean;
}

/** What a request without a word about anything gets. */
export const CHAT_DEFAULTS = {
  tools: [],
  toolChoice: "auto",
  parallelCalls: true,
  sampling: {},
  stop: [],
  format: { type: "text" },
} as const satisfies Omit<ChatRequest, "messages">;
