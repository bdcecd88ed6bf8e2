/**
 * What every session store must do. Give it the functions of your test runner and a way to make an empty store:
 *
 *     describeSessionStore("in memory", () => createMemorySessionStore({ … }), { describe, it });
 */
import assert from "node:assert/strict";
import type { Message } from "../core/message.ts";
import type { SessionStore } from "../core/session.ts";
import type { TestRunner } from "./sandbox.ts";
import { answers, calls, outline, reopen, says, write, type SessionStoreCase } from "./session-entries.ts";
import { HISTORY_CASES } from "./session-history-cases.ts";
import { UNDO_CASES } from "./session-undo-cases.ts";

/** `create` is called for each case and must give an empty store. */
export function describeSessionStore(
  name: string,
  create: () => Promise<SessionStore> | SessionStore,
  { describe, it }: TestRunner,
): void {
  describe(`session store ${name}`, () => {
    for (const { title, check } of [...CASES, ...HISTORY_CASES, ...UNDO_CASES])
      it(title, async () => check(await create()));
  });
}

const CASES: readonly SessionStoreCase[] = [
  { title: "starts with an empty list", check: async (store) => assert.deepEqual(await store.list(), []) },
  { title: "lists a session without messages as new", check: listsNewSessions },
  { title: "restores messages, todos, mode and the last reason", check: restoresEverything },
  { title: "keeps the state of an open session as it was at the start", check: keepsOpeningState },
  { title: "keeps messages exactly, unknown fields and key order included", check: keepsMessagesExactly },
  { title: "opens by a unique beginning or end of the id", check: opensByPartOfId },
  { title: "names an unknown id and how to list", check: refusesUnknownIds },
  { title: "refuses ids with characters of paths", check: refusesPaths },
  { title: "has one writer at a time", check: hasOneWriter },
  {
    title: "gives every interrupted call exactly one result, in source order",
    check: repairsInterruptedCalls,
  },
  { title: "answers interrupted calls only once", check: repairsOnlyOnce },
  { title: "leaves out results without a call", check: dropsStrayResults },
  { title: "puts late results behind their calls", check: placesLateResults },
  { title: "lists newest change first, with task, count and status", check: listsNewestFirst },
  { title: "keeps the first request as the task", check: keepsFirstTask },
  { title: "reads a session without opening it, also while it is being written", check: readsWithoutOpening },
  { title: "answers interrupted calls in what it reads, and stores nothing", check: readsInterruptedCalls },
  { title: "removes a session that nobody has open", check: removesSessions },
  { title: "forks into a new session and leaves the old one alone", check: forks },
  { title: "forks at a record, answering the calls it cuts off", check: forksAtRecord },
  { title: "forks a session that is being written", check: forksOpenSession },
  { title: "refuses to append after it was closed", check: refusesAfterClose },
  { title: "stores appends in the order they were made, waited for or not", check: keepsOrder },
];

async function listsNewSessions(store: SessionStore): Promise<void> {
  const id = await write(await store.create());
  const [summary] = await store.list();
  assert.deepEqual(summary, { ...summary, id, task: "", messages: 0, status: "new" });
  assert.equal(summary?.createdAt, summary?.updatedAt);
}

async function restoresEverything(store: SessionStore): Promise<void> {
  const todos = [{ id: 1, text: "read it", status: "in_progress" as const, notes: "slowly" }];
  const session = await store.create();
  assert.deepEqual(session.state.messages, []);
  assert.equal(session.state.header.id, session.id);
  const id = await write(
    session,
    says("be brief", "system"),
    { type: "run_started", model: "m" },
    says("read a"),
    { type: "mode", mode: "manual" },
    { type: "todos", todos: [] },
    { type: "todos", todos },
    calls("call_1"),
    answers("call_1"),
    says("done", "assistant"),
    { type: "run_finished", reason: "turn_limit" },
  );
  const state = await reopen(store, id);
  assert.deepEqual(outline(state.messages), [
    "system",
    "user",
    "assistant:call_1",
    "tool:call_1",
    "assistant",
  ]);
  assert.deepEqual(state.todos, todos);
  assert.equal(state.mode, "manual");
  assert.equal(state.lastReason, "turn_limit");
  assert.deepEqual(state.interrupted, []);
  assert.deepEqual(state.header, session.state.header);
}

async function keepsOpeningState(store: SessionStore): Promise<void> {
  const session = await store.create();
  await session.append(says("one"));
  assert.deepEqual(session.state.messages, []);
  await session[Symbol.asyncDispose]();
  await using again = await store.open(session.id);
  const before = [...again.state.messages];
  await again.append(says("two"));
  assert.deepEqual(again.state.messages, before);
}

async function keepsMessagesExactly(store: SessionStore): Promise<void> {
  const message = {
    content: 'line\nnext \u0000 \uD83D\uDE00 \u2028 \\ "',
    name: "not in the contract",
    role: "user",
  } as unknown as Message;
  const id = await write(await store.create(), { type: "message", message });
  const [restored] = (await reopen(store, id)).messages;
  assert.equal(JSON.stringify(restored), JSON.stringify(message));
}

async function opensByPartOfId(store: SessionStore): Promise<void> {
  const first = await write(await store.create(), says("first"));
  const second = await write(await store.create(), says("second"));
  for (const id of [first, second]) {
    assert.equal((await reopen(store, id.slice(-6))).header.id, id);
    assert.equal((await reopen(store, id.slice(0, -1))).header.id, id);
  }
  const shared = first.slice(0, 4);
  await assert.rejects(store.open(shared), { code: "session_not_found", message: /`\d+` fits 2 sessions/ });
}

async function refusesUnknownIds(store: SessionStore): Promise<void> {
  const expected = { code: "session_not_found", message: /`20200101-000000-abcdef`.*--list-sessions/ };
  await assert.rejects(store.open("20200101-000000-abcdef"), expected);
  await assert.rejects(store.fork("20200101-000000-abcdef"), expected);
  await assert.rejects(store.read("20200101-000000-abcdef"), expected);
  await assert.rejects(store.remove("20200101-000000-abcdef"), expected);
  await write(await store.create());
  await assert.rejects(store.open("20200101-000000-abcdef"), expected);
}

async function refusesPaths(store: SessionStore): Promise<void> {
  await write(await store.create());
  for (const id of [
    "",
    "..",
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "*",
    "\u001B[2J",
    "x".repeat(1000),
  ]) {
    await assert.rejects(store.open(id), { code: "session_not_found" });
    await assert.rejects(store.read(id), { code: "session_not_found" });
    await assert.rejects(store.remove(id), { code: "session_not_found" });
  }
}

async function hasOneWriter(store: SessionStore): Promise<void> {
  const session = await store.create();
  await session.append(says("hello"));
  await assert.rejects(store.open(session.id), { code: "session_locked" });
  assert.equal((await store.list())[0]?.status, "active");
  await session.append(says("still writable"));
  await session[Symbol.asyncDispose]();
  await session[Symbol.asyncDispose]();
  assert.equal((await reopen(store, session.id)).messages.length, 2);
  assert.equal((await reopen(store, session.id)).messages.length, 2);
}

async function repairsInterruptedCalls(store: SessionStore): Promise<void> {
  const id = await write(await store.create(), says("go"), calls("a", "b", "c"), answers("b"));
  await using session = await store.open(id);
  assert.deepEqual(outline(session.state.messages), [
    "user",
    "assistant:a,b,c",
    "tool:a!",
    "tool:b",
    "tool:c!",
  ]);
  assert.deepEqual(session.state.interrupted, ["a", "c"]);
}

async function repairsOnlyOnce(store: SessionStore): Promise<void> {
  const id = await write(await store.create(), says("go"), calls("a", "a"));
  const first = await reopen(store, id);
  assert.deepEqual(first.interrupted, ["a", "a"]);
  await using session = await store.open(id);
  assert.deepEqual(session.state.interrupted, []);
  assert.deepEqual(session.state.messages, first.messages);
  assert.deepEqual(outline(session.state.messages), ["user", "assistant:a,a", "tool:a!", "tool:a!"]);
}

async function dropsStrayResults(store: SessionStore): Promise<void> {
  const id = await write(
    await store.create(),
    answers("x"),
    says("go"),
    calls("a"),
    answers("a"),
    answers("a"),
    answers("y"),
  );
  assert.deepEqual(outline((await reopen(store, id)).messages), ["user", "assistant:a", "tool:a"]);
}

async function placesLateResults(store: SessionStore): Promise<void> {
  const id = await write(
    await store.create(),
    calls("a"),
    says("steer"),
    answers("a"),
    calls("a"),
    says("more"),
    answers("a"),
  );
  const expected = ["assistant:a", "tool:a", "user", "assistant:a", "tool:a", "user"];
  assert.deepEqual(outline((await reopen(store, id)).messages), expected);
}

async function listsNewestFirst(store: SessionStore): Promise<void> {
  const first = await write(
    await store.create(),
    { type: "run_started", model: "m" },
    says("first\n\u001B[31m task"),
  );
  const second = await write(
    await store.create(),
    says("system", "system"),
    { type: "run_started", model: "m" },
    says(`${"long ".repeat(100)}task`),
    says("answer", "assistant"),
    { type: "run_finished", reason: "done" },
  );
  const [newer, older] = await store.list();
  assert.deepEqual([newer?.id, newer?.status, newer?.messages], [second, "done", 2]);
  assert.equal(newer?.task.length, 200);
  assert.deepEqual([older?.id, older?.status, older?.messages], [first, "interrupted", 1]);
  assert.equal(older?.task, "first [31m task");
  await using _reopened = await store.open(first);
  await _reopened.append(says("again"));
  assert.deepEqual(
    (await store.list()).map(({ id }) => id),
    [first, second],
  );
}

async function keepsFirstTask(store: SessionStore): Promise<void> {
  const id = await write(
    await store.create(),
    says("the task"),
    says("ok", "assistant"),
    says("a follow-up"),
  );
  await using session = await store.open(id);
  await session.append(says("another"));
  assert.equal((await store.list())[0]?.task, "the task");
}

async function readsWithoutOpening(store: SessionStore): Promise<void> {
  const session = await store.create();
  await session.append(says("go"));
  const read = await store.read(session.id.slice(-6));
  assert.deepEqual(outline(read.messages), ["user"]);
  assert.deepEqual(read.header, session.state.header);
  await session.append(says("done", "assistant"));
  assert.deepEqual(outline(read.messages), ["user"]);
  assert.deepEqual(outline((await store.read(session.id)).messages), ["user", "assistant"]);
  await session[Symbol.asyncDispose]();
  assert.deepEqual(await store.read(session.id), await reopen(store, session.id));
}

async function readsInterruptedCalls(store: SessionStore): Promise<void> {
  const id = await write(await store.create(), says("go"), calls("a", "b"), answers("b"));
  for (let time = 0; time < 2; time += 1) {
    const { messages, interrupted } = await store.read(id);
    assert.deepEqual(outline(messages), ["user", "assistant:a,b", "tool:a!", "tool:b"]);
    assert.deepEqual(interrupted, ["a"]);
  }
  assert.deepEqual((await reopen(store, id)).interrupted, ["a"]);
}

async function removesSessions(store: SessionStore): Promise<void> {
  const kept = await write(await store.create(), says("kept"));
  const session = await store.create();
  await session.append(says("go"));
  await assert.rejects(store.remove(session.id), { code: "session_locked" });
  await session.append(says("still writable"));
  await session[Symbol.asyncDispose]();
  assert.equal(await store.remove(session.id.slice(-6)), session.id);
  await assert.rejects(store.remove(session.id), { code: "session_not_found" });
  await assert.rejects(store.read(session.id), { code: "session_not_found" });
  assert.deepEqual(
    (await store.list()).map(({ id, status }) => [id, status]),
    [[kept, "interrupted"]],
  );
}

async function forks(store: SessionStore): Promise<void> {
  const id = await write(
    await store.create(),
    says("go"),
    { type: "mode", mode: "auto" },
    says("done", "assistant"),
  );
  const fork = await store.fork(id);
  assert.notEqual(fork.id, id);
  assert.equal(fork.state.header.forkedFrom, id);
  assert.equal(fork.state.mode, "auto");
  await write(fork, says("elsewhere"));
  const origins = (await store.list()).map((each) => [each.id, each.forkedFrom]);
  assert.deepEqual(
    new Map(origins as [string, string][]),
    new Map([
      [id, undefined],
      [fork.id, id],
    ]),
  );
  assert.deepEqual(outline((await reopen(store, id)).messages), ["user", "assistant"]);
  assert.deepEqual(outline((await reopen(store, fork.id)).messages), ["user", "assistant", "user"]);
}

async function forksAtRecord(store: SessionStore): Promise<void> {
  const id = await write(
    await store.create(),
    says("go"),
    calls("a", "b"),
    answers("a"),
    answers("b"),
    says("more"),
  );
  const fork = await store.fork(id, "3");
  assert.deepEqual(outline(fork.state.messages), ["user", "assistant:a,b", "tool:a", "tool:b!"]);
  assert.deepEqual(fork.state.interrupted, ["b"]);
  await write(fork, says("again"));
  assert.equal((await reopen(store, fork.id)).messages.length, 5);
  await assert.rejects(store.fork(id, "99"), { code: "session_not_found", message: /`99`/ });
}

async function forksOpenSession(store: SessionStore): Promise<void> {
  await using session = await store.create();
  await session.append(says("go"));
  await using fork = await store.fork(session.id);
  assert.deepEqual(outline(fork.state.messages), ["user"]);
  await session.append(says("on"));
  await fork.append(says("off"));
}

async function refusesAfterClose(store: SessionStore): Promise<void> {
  const session = await store.create();
  await write(session, says("go"));
  await assert.rejects(session.append(says("late")), { code: "storage_failed" });
  assert.equal((await reopen(store, session.id)).messages.length, 1);
}

async function keepsOrder(store: SessionStore): Promise<void> {
  const session = await store.create();
  const texts = Array.from({ length: 50 }, (_, index) => `message ${index}`);
  await Promise.all(texts.map((text) => session.append(says(text))));
  await session[Symbol.asyncDispose]();
  assert.deepEqual(
    (await reopen(store, session.id)).messages.map(({ content }) => content),
    texts,
  );
}
