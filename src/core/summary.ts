/** Asks the model to write down what older turns came to. */
import type { AgentEvent } from "./events.ts";
import { byteLength } from "./message-size.ts";
import type { Message } from "./message.ts";
import type { Model, ModelReply, ModelRequest } from "./model.ts";
import { ReplyWatch } from "./reply-watch.ts";
import { takeTurn } from "./turn.ts";

/** Models count words badly: so much more than what was asked for is still taken. */
const TOLERANCE = 1.5;
const TOKENS_PER_WORD = 1.5;
/** By these words a server of a test knows what it is asked for: not all servers are sent `tool_choice`. */
export const SUMMARY_OPENING = "Before you go on: the conversation so far";

export interface SummaryOptions {
  model: Model;
  /** Without messages of its own: tools, temperature and slot as in every request, so that the server goes on from what it has read. */
  request: Omit<ModelRequest, "messages" | "toolChoice">;
  /** What goes, from the system message on, as the server has read it. */
  messages: readonly Message[];
  /** Of the summary alone. */
  maxTokens: number;
  maxBytes: number;
  /** What the window leaves for thinking and summary; absent where it is not known. */
  roomTokens?: number | undefined;
  /** What the user wants to be kept above all. */
  focus?: string | undefined;
  turn: number;
  signal: AbortSignal;
}

export function toSummaryMessages(
  messages: readonly Message[],
  { maxTokens, focus }: { maxTokens: number; focus?: string | undefined },
): Message[] {
  const isUser = messages.at(-1)?.role === "user";
  const isOpen = isUser || messages.at(-1)?.role === "tool";
  return [
    ...messages,
    // User and assistant take turns in strict templates.
    ...(isOpen ? [{ role: "assistant" as const, content: "(pause)" }] : []),
    { role: "user", content: toInstruction(maxTokens, focus) },
  ];
}

/** The summary; `undefined` when the model gave none that can be used. Throws only when the run is over. */
export async function* writeSummary(options: SummaryOptions): AsyncGenerator<AgentEvent, string | undefined> {
  const { model, request, messages, maxTokens, roomTokens, turn, signal } = options;
  const thinks = messages.some((message) => message.role === "assistant" && message.reasoning_content);
  const longest = Math.ceil(maxTokens * TOLERANCE) + (thinks ? maxTokens : 0);
  const whole: ModelRequest = {
    ...request,
    messages: toSummaryMessages(messages, options),
    toolChoice: "none",
    // Little, but not none: to switch thinking off changes the beginning of the prompt in some chat templates.
    thinkingTokens: maxTokens,
    ...(roomTokens === undefined ? {} : { maxTokens: Math.min(longest, roomTokens) }),
  };
  const watch = new ReplyWatch({ thinkingTokens: maxTokens });
  const events = takeTurn(model, whole, { turn, signal, watch });
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return toUsable(value, options.maxBytes * TOLERANCE);
      if (value.type === "prefill_progress" || value.type === "usage" || value.type === "warning")
        yield value;
      if (value.type !== "text_delta" && value.type !== "thinking_delta") continue;
      // Its words are no answer to the user, who sees that something is written.
      bytes += byteLength(value.text);
      yield { type: "call_progress", name: "summary", bytes };
    }
  } catch {
    signal.throwIfAborted();
    return undefined;
  } finally {
    await events.return(undefined as never);
  }
}

function toUsable({ text, calls, finish }: ModelReply, maxBytes: number): string | undefined {
  const usable =
    finish === "stop" && calls.length === 0 && text.trim() !== "" && byteLength(text) <= maxBytes;
  return usable ? text.trim() : undefined;
}

function toInstruction(maxTokens: number, focus: string | undefined): string {
  const words = Math.floor(maxTokens / TOKENS_PER_WORD / 10) * 10;
  const lines = [
    `${SUMMARY_OPENING}, my own messages apart, will be left out to save room. Write down what you need from it, in this form and in at most`,
    `${words} words, with exact names, paths and numbers. Carry on what an earlier record says. Call no tool.`,
    "Goal: what is to be done",
    "Decisions: what was decided or found out, and why",
    "Files: which were read or changed, and what matters in them",
    "State: what is done and what is not",
    "Next: the next steps",
  ];
  const wish = focus?.trim() ? [`Above all keep what concerns: ${focus.trim()}`] : [];
  return [`${lines[0]} ${lines[1]}`, ...lines.slice(2), ...wish].join("\n");
}
