import { expect, it } from "vitest";
import { LiveSession } from "../../src/cli/live-session.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { createMemorySessionStore } from "../../src/sessions/index.ts";

const user = (content: string) => ({ role: "user", content }) as const;

const EVENTS: readonly AgentEvent[] = [
  { type: "message_added", message: user("  write\nthe \u001b[2J\u202etests ") },
  { type: "checkpoint_made", id: "one" },
  { type: "checkpoint_made", id: "two" },
  { type: "message_added", message: user("hurry"), note: "steering" },
  { type: "message_added", message: { ...user("Go on."), note: "nudge" }, note: "nudge" },
  { type: "message_added", message: { role: "assistant", content: "done" } },
  { type: "message_added", message: user("🙂".repeat(150)), note: "follow_up" },
  { type: "todos_changed", todos: [{ id: 1, text: "look", status: "pending" }] },
];

it("an open conversation is what a resume makes of its log", async () => {
  const store = createMemorySessionStore({ workspace: "/w", now: () => 0, newId: () => "abc123" });
  const session = await store.create();
  const live = new LiveSession();
  for (const event of EVENTS) {
    const entry = live.note(event, { model: "m" });
    if (entry !== undefined) await session.append(entry);
  }
  const { requests, messages, todos } = await store.read(session.id);
  expect(live.requests).toEqual(requests);
  expect(live.messages).toEqual(messages);
  expect(live.requests.map(({ checkpoint }) => checkpoint)).toEqual(["one", undefined]);
  expect(todos).toHaveLength(1);
});
