/** What the cases of the session store suite write, and how they look at what comes back. */
import { messageText, type Message } from "../core/message.ts";
import type { Session, SessionEntry, SessionStore } from "../core/session.ts";

export interface SessionStoreCase {
  title: string;
  check: (store: SessionStore) => Promise<void>;
}

const CALL = {
  id: "call_1",
  type: "function",
  function: { name: "read", arguments: '{"path":"a"}' },
} as const;

export function says(content: string, role: "user" | "assistant" | "system" = "user"): SessionEntry {
  return { type: "message", message: { role, content } };
}

export function calls(...ids: string[]): SessionEntry {
  const tool_calls = ids.map((id) => ({ ...CALL, id }));
  return { type: "message", message: { role: "assistant", content: null, tool_calls } };
}

export function answers(id: string, content = '{"ok":true,"output":"x"}'): SessionEntry {
  return { type: "message", message: { role: "tool", tool_call_id: id, content } };
}

export async function write(session: Session, ...entries: SessionEntry[]): Promise<string> {
  for (const entry of entries) await session.append(entry);
  await session[Symbol.asyncDispose]();
  return session.id;
}

export async function reopen(store: SessionStore, id: string): Promise<Session["state"]> {
  await using session = await store.open(id);
  return session.state;
}

/** `user`, `assistant:a,b` for calls, `tool:a` for results, with `!` where the result says that the call was interrupted. */
export function outline(messages: readonly Message[]): string[] {
  return messages.map((message) => {
    if (message.role === "tool") {
      const result = JSON.parse(message.content) as { ok: boolean; error?: string };
      return `tool:${message.tool_call_id}${result.error?.startsWith("interrupted: ") ? "!" : ""}`;
    }
    if (message.role !== "assistant" || !message.tool_calls) return message.role;
    return `assistant:${message.tool_calls.map(({ id }) => id).join(",")}`;
  });
}

/** The words of each message, without the ballast of calls. */
export function texts(messages: readonly Message[]): string[] {
  return messages.map(messageText);
}
