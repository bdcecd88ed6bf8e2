/** Collects the events of one chat completion into the whole reply, for answers that are not streamed. */
import type { Timings, TokenLogprob } from "../../engine/protocol.ts";
import { NO_USAGE } from "./usage.ts";
import type { Usage } from "./usage.ts";
import type { ChatEvent, FinishReason } from "./chat.ts";

export interface Reply {
  content: string;
  reasoning: string;
  /** `arguments`: JSON text. */
  calls: { id: string; name: string; arguments: string }[];
  logprobs: TokenLogprob[];
  reason: FinishReason;
  timings: Timings;
  usage: Usage;
  stopString?: string;
}

/** Throws what the events throw. */
export async function collectReply(events: AsyncIterable<ChatEvent>): Promise<Reply> {
  const reply = createReply();
  for await (const event of events) addEvent(reply, event);
  return reply;
}

/** So many replies at once, from events that have the number of theirs. Throws what the events throw. */
export async function collectReplies(
  events: AsyncIterable<{ index: number; value: ChatEvent }>,
  count: number,
): Promise<Reply[]> {
  const replies = Array.from({ length: count }, createReply);
  for await (const { index, value } of events) addEvent(replies[index] as Reply, value);
  return replies;
}

function createReply(): Reply {
  return {
    content: "",
    reasoning: "",
    calls: [],
    logprobs: [],
    reason: "stop",
    timings: { promptTokens: 0, cachedTokens: 0, promptMs: 0, completionTokens: 0, completionMs: 0 },
    usage: NO_USAGE,
  };
}

function addEvent(reply: Reply, event: ChatEvent): void {
  if (event.type === "part") addPart(reply, event);
  else if (event.type === "finished") {
    reply.reason = event.reason;
    reply.timings = event.timings;
    reply.usage = event.usage;
    if (event.stopString !== undefined) reply.stopString = event.stopString;
  }
}

function addPart(reply: Reply, { part, logprobs = [] }: Extract<ChatEvent, { type: "part" }>): void {
  reply.logprobs.push(...logprobs);
  if (part.type === "content") reply.content += part.text;
  else if (part.type === "reasoning") reply.reasoning += part.text;
  else if (part.type === "call_started") reply.calls.push({ id: part.id, name: part.name, arguments: "" });
  else {
    const call = reply.calls[part.index];
    if (call !== undefined) call.arguments += part.text;
  }
}
