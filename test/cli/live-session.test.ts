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

it("a session that goes on counts on from what the server had told before", async () => {
  const store = createMemorySessionStore({ workspace: "/w", now: () => 0, newId: () => "abc123" });
  const session = await store.create();
  const live = new LiveSession();
  const model = {
    id: "m",
    server: "lmagent",
    baseUrl: "http://localhost:1/v1",
    profile: { name: "default" },
  } as const;
  const usage = { promptTokens: 100, cachedTokens: 60, completionTokens: 7 };
  for (const event of [{ type: "model_ready", model } as const, { type: "usage", turn: 1, usage } as const])
    live.note(event, { model: "m" });
  live.meter.note({ messages: [user("x".repeat(400))], tools: [] }, usage);
  const server = live.toServer();
  if (server !== undefined) await session.append(server);
  const next = new LiveSession(await store.read(session.id));
  expect(next.tokens).toEqual({ prompt: 100, cached: 60, completion: 7, counted: 1 });
  expect(next.meter.bytesPerToken).toBe(live.meter.bytesPerToken);
});
