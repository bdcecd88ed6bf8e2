import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Message } from "../../src/core/message.ts";
import type { Session, SessionEntry, SessionStore } from "../../src/core/session.ts";
import { createJsonlSessionStore } from "../../src/sessions/index.ts";

/** A second passes with every look at it. */
export function createClock(): () => number {
  let now = Date.parse("2026-02-20T14:35:12Z");
  return () => (now += 1000);
}

export function createIds(): () => string {
  let count = 0;
  return () => `id-${(count += 1).toString(36).padStart(6, "0")}`;
}

export function createStore(workspace: string): SessionStore {
  const folder = join(workspace, ".lmagent", "sessions");
  return createJsonlSessionStore({
    folder,
    workspace,
    now: createClock(),
    newId: createIds(),
    version: "0.0.0",
  });
}

export interface Place {
  workspace: string;
  /** Where the session files are. */
  folder: string;
  store: SessionStore;
  file(id: string): string;
  names(): Promise<string[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function createPlace(): Promise<Place> {
  const workspace = await mkdtemp(join(tmpdir(), "lmagent-sessions-"));
  const folder = join(workspace, ".lmagent", "sessions");
  return {
    workspace,
    folder,
    store: createStore(workspace),
    file: (id) => join(folder, `${id}.jsonl`),
    names: () => readdir(folder),
    [Symbol.asyncDispose]: () => rm(workspace, { recursive: true, force: true }),
  };
}

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

/** Ids of calls that do not have exactly one result right behind them. */
export function findUnpaired(messages: readonly Message[]): string[] {
  return messages.flatMap((message, index) => {
    if (message.role !== "assistant" || !message.tool_calls) return [];
    const results = messages.slice(index + 1, index + 1 + message.tool_calls.length);
    return message.tool_calls
      .filter(({ id }, position) => {
        const found = results[position];
        return found?.role !== "tool" || found.tool_call_id !== id;
      })
      .map(({ id }) => id);
  });
}
