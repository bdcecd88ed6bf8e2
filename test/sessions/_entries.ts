import type { Message } from "../../src/core/message.ts";
import type { Session, SessionEntry } from "../../src/core/session.ts";

export function user(content: string): SessionEntry {
  return { type: "message", message: { role: "user", content } };
}

export function assistant(...callIds: string[]): SessionEntry {
  const tool_calls = callIds.map((id) => ({
    id,
    type: "function" as const,
    function: { name: "ls", arguments: "{}" },
  }));
  return { type: "message", message: { role: "assistant", content: null, tool_calls } };
}

export function result(callId: string): SessionEntry {
  return {
    type: "message",
    message: { role: "tool", tool_call_id: callId, content: '{"ok":true,"output":""}' },
  };
}

/** Appends in order, closes, and returns the id. */
export async function write(session: Session, ...entries: SessionEntry[]): Promise<string> {
  for (const entry of entries) await session.append(entry);
  await session[Symbol.asyncDispose]();
  return session.id;
}

/** Ids of calls that do not have exactly one result, right behind them, and of results without a call. */
export function findUnpaired(messages: readonly Message[]): string[] {
  const expected: string[] = [];
  const unpaired: string[] = [];
  for (const message of messages) {
    if (message.role === "tool") {
      if (expected.shift() !== message.tool_call_id) unpaired.push(message.tool_call_id);
      continue;
    }
    unpaired.push(...expected.splice(0));
    if (message.role === "assistant") expected.push(...(message.tool_calls ?? []).map(({ id }) => id));
  }
  return [...unpaired, ...expected];
}
