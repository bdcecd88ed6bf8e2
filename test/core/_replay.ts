import { applyCompaction } from "../../src/core/compaction.ts";
import type { AgentEvent, AgentEventOf } from "../../src/core/events.ts";
import type { Message } from "../../src/core/message.ts";

export function ofType<Type extends AgentEvent["type"]>(
  events: readonly AgentEvent[],
  type: Type,
): AgentEventOf<Type>[] {
  return events.filter((event): event is AgentEventOf<Type> => event.type === type);
}

/** The conversation as a session log would have it. */
export function replay(before: readonly Message[], events: readonly AgentEvent[]): Message[] {
  let messages = [...before];
  for (const event of events) {
    if (event.type === "message_added") messages.push(event.message);
    if (event.type === "context_compacted") messages = applyCompaction(messages, event.parts) ?? [];
  }
  return messages;
}
