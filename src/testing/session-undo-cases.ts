/** Cases of the session store suite: taking requests back. */
import assert from "node:assert/strict";
import { NO_ANSWER } from "../core/message.ts";
import type { Session, SessionEntry, SessionStore } from "../core/session.ts";
import {
  answers,
  calls,
  outline,
  reopen,
  says,
  texts,
  write,
  type SessionStoreCase,
} from "./session-entries.ts";
import { compacts, NOTE, plans } from "./session-history-cases.ts";

export const UNDO_CASES: readonly SessionStoreCase[] = [
  { title: "takes the newest requests back with all that followed", check: takesBack },
  { title: "takes back what a run had to put in front of its request", check: takesBackFillers },
  { title: "takes back the plan that was begun for a request", check: takesBackPlans },
  { title: "takes a follow-up back and leaves the rest of its run", check: takesBackFollowUps },
  { title: "undoes a compaction together with its request", check: takesBackCompactions },
  { title: "refuses to take back more requests than there are", check: refusesTooMany },
  { title: "goes on after an undo, and takes back again", check: goesOn },
  { title: "keeps the mode, which is the user's own", check: keepsMode },
  { title: "takes back in a fork and leaves the old session alone", check: takesBackInForks },
  { title: "takes back a request whose call was interrupted", check: takesBackInterrupted },
  { title: "answers calls that an undo left open", check: repairsAfterUndo },
  { title: "lists what is left after an undo", check: listsWhatIsLeft },
  { title: "stores what is appended during an undo behind it", check: keepsOrderAroundUndo },
  { title: "takes nothing back once it is closed", check: refusesAfterClose },
];

function run(request: string, ...more: SessionEntry[]): SessionEntry[] {
  return [
    { type: "run_started", model: "m" },
    says(request),
    ...more,
    says(`${request}: done`, "assistant"),
    { type: "run_finished", reason: "done" },
  ];
}

async function append(session: Session, ...entries: readonly SessionEntry[]): Promise<void> {
  for (const entry of entries) await session.append(entry);
}

async function takesBack(store: SessionStore): Promise<void> {
  const todos = (text: string): SessionEntry => ({
    type: "todos",
    todos: [{ id: 1, text, status: "pending" }],
  });
  const session = await store.create();
  await append(
    session,
    says("be brief", "system"),
    ...run("one", todos("first"), plans("approved"), { type: "checkpoint", checkpoint: "c1" }),
  );
  await session[Symbol.asyncDispose]();
  const before = await reopen(store, session.id);
  const again = await store.open(session.id);
  await append(
    again,
    ...run("two", todos("second"), { type: "task_state", state: { objective: "x" } }),
    ...run("three", plans("completed"), calls("a"), answers("a"), {
      ...says("and quickly"),
      note: "steering",
    } as SessionEntry),
  );
  const state = await again.undo(2);
  assert.deepEqual(state, before);
  assert.deepEqual(again.state, before);
  await again[Symbol.asyncDispose]();
  assert.deepEqual(await reopen(store, session.id), before);
  assert.deepEqual(await store.read(session.id), before);
}

async function takesBackFillers(store: SessionStore): Promise<void> {
  await using session = await store.create();
  await append(
    session,
    { type: "run_started", model: "m" },
    says("one"),
    { type: "run_finished", reason: "model_unavailable" },
    { type: "run_started", model: "m" },
    says(NO_ANSWER, "assistant"),
    { type: "mode", mode: "manual" },
    ...run("two").slice(1),
  );
  const state = await session.undo(1);
  assert.deepEqual(outline(state.messages), ["user"]);
  assert.equal(state.lastReason, "model_unavailable");
}

async function takesBackPlans(store: SessionStore): Promise<void> {
  await using session = await store.create();
  await append(
    session,
    says("be brief", "system"),
    { type: "mode", mode: "normal" },
    plans("planning"),
    { type: "mode", mode: "manual" },
    ...run("one", plans("approved")),
    plans("planning"),
    ...run("two", plans("proposed")),
  );
  const once = await session.undo(1);
  assert.equal(once.plan?.status, "approved");
  const twice = await session.undo(1);
  assert.equal(twice.plan, undefined);
  assert.equal(twice.mode, "manual");
  assert.equal(twice.messages.length, 1);
}

async function takesBackFollowUps(store: SessionStore): Promise<void> {
  await using session = await store.create();
  await append(
    session,
    { type: "run_started", model: "m" },
    says("one"),
    says("(interrupted)", "assistant"),
    { ...says("two"), note: "follow_up" } as SessionEntry,
    says("done", "assistant"),
    { type: "run_finished", reason: "done" },
  );
  const state = await session.undo(1);
  assert.deepEqual(outline(state.messages), ["user", "assistant"]);
  assert.deepEqual(state.requests, [{ text: "one" }]);
}

async function takesBackCompactions(store: SessionStore): Promise<void> {
  await using session = await store.create();
  await append(
    session,
    ...run("one"),
    ...run("two"),
    compacts({ keep: [0, 1] }, { message: NOTE }, { keep: [2, 4] }),
    ...run("three", compacts({ keep: [0, 1] }, { message: NOTE }, { keep: [4, 5] })),
  );
  const once = await session.undo(1);
  assert.deepEqual(texts(once.messages), ["one", "What happened so far: …", "two", "two: done"]);
  const twice = await session.undo(1);
  assert.deepEqual(texts(twice.messages), ["one", "one: done"]);
}

async function refusesTooMany(store: SessionStore): Promise<void> {
  const session = await store.create();
  await assert.rejects(session.undo(1), { code: "usage", message: /no request/ });
  await append(session, ...run("one"), ...run("two"));
  for (const count of [3, 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    await assert.rejects(session.undo(count), { code: "usage", message: /from 1 to 2/ });
  }
  await write(session, says("three"));
  const { messages, requests } = await reopen(store, session.id);
  assert.equal(messages.length, 5);
  assert.equal(requests.length, 3);
}

async function goesOn(store: SessionStore): Promise<void> {
  const session = await store.create();
  await append(session, ...run("one"), ...run("two"), ...run("three"));
  await session.undo(2);
  await append(session, ...run("four"), ...run("five"));
  const state = await session.undo(1);
  assert.deepEqual(texts(state.messages), ["one", "one: done", "four", "four: done"]);
  await write(session, ...run("six"));
  await using again = await store.open(session.id);
  assert.deepEqual(
    again.state.requests.map(({ text }) => text),
    ["one", "four", "six"],
  );
  assert.deepEqual(texts((await again.undo(3)).messages), []);
}

async function keepsMode(store: SessionStore): Promise<void> {
  const session = await store.create();
  await append(
    session,
    { type: "mode", mode: "auto" },
    ...run("one"),
    ...run("two", { type: "mode", mode: "manual" }),
  );
  assert.equal((await session.undo(1)).mode, "manual");
  assert.equal((await session.undo(1)).mode, "manual");
  await session[Symbol.asyncDispose]();
  assert.equal((await reopen(store, session.id)).mode, "manual");
}

async function takesBackInForks(store: SessionStore): Promise<void> {
  const old = await store.create();
  await append(old, ...run("one"), ...run("two"));
  await old.undo(1);
  await append(old, ...run("three"));
  await using fork = await store.fork(old.id);
  assert.deepEqual(texts((await fork.undo(1)).messages), ["one", "one: done"]);
  await append(fork, ...run("four"));
  await old[Symbol.asyncDispose]();
  assert.deepEqual(texts((await reopen(store, old.id)).messages), [
    "one",
    "one: done",
    "three",
    "three: done",
  ]);
}

async function takesBackInterrupted(store: SessionStore): Promise<void> {
  const id = await write(
    await store.create(),
    ...run("one"),
    { type: "run_started", model: "m" },
    says("two"),
    calls("a", "b"),
    answers("b"),
  );
  await using session = await store.open(id);
  assert.deepEqual(session.state.interrupted, ["a"]);
  const state = await session.undo(1);
  assert.deepEqual(texts(state.messages), ["one", "one: done"]);
  assert.deepEqual(state.interrupted, []);
}

async function repairsAfterUndo(store: SessionStore): Promise<void> {
  const session = await store.create();
  await append(session, says("one"), calls("a"), says("two"), answers("a"));
  const state = await session.undo(1);
  assert.deepEqual(outline(state.messages), ["user", "assistant:a", "tool:a!"]);
  assert.deepEqual(state.interrupted, ["a"]);
  await write(session, says("three"));
  const restored = await reopen(store, session.id);
  assert.deepEqual(outline(restored.messages), ["user", "assistant:a", "tool:a!", "user"]);
  assert.deepEqual(restored.messages.slice(0, -1), state.messages);
  assert.deepEqual(restored.interrupted, []);
}

async function listsWhatIsLeft(store: SessionStore): Promise<void> {
  const session = await store.create();
  await append(session, says("be brief", "system"), ...run("wrnog"));
  await session.undo(1);
  await session[Symbol.asyncDispose]();
  assert.deepEqual(
    (await store.list()).map(({ task, messages, status }) => [task, messages, status]),
    [["", 0, "new"]],
  );
  const again = await store.open(session.id);
  await append(again, ...run("right"), { type: "run_started", model: "m" }, says("more"), calls("a"));
  await again.undo(1);
  await again[Symbol.asyncDispose]();
  assert.deepEqual(
    (await store.list()).map(({ task, messages, status }) => [task, messages, status]),
    [["right", 2, "done"]],
  );
  assert.deepEqual((await reopen(store, session.id)).lastReason, "done");
}

async function keepsOrderAroundUndo(store: SessionStore): Promise<void> {
  const session = await store.create();
  await append(session, ...run("one"));
  const early = session.append(says("two"));
  const undone = session.undo(1);
  const late = ["three", "four", "five"].map((text) => session.append(says(text)));
  await Promise.all([early, undone, ...late]);
  await session[Symbol.asyncDispose]();
  const expected = ["one", "one: done", "three", "four", "five"];
  assert.deepEqual(texts((await reopen(store, session.id)).messages), expected);
}

async function refusesAfterClose(store: SessionStore): Promise<void> {
  const session = await store.create();
  const id = await write(session, ...run("one"));
  await assert.rejects(session.undo(1), { code: "storage_failed" });
  assert.equal((await reopen(store, id)).messages.length, 2);
}
