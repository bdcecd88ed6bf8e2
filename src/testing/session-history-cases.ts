/** Cases of the session store suite: compaction, plan, task state and requests. */
import assert from "node:assert/strict";
import { applyCompaction, type CompactedPart } from "../core/compaction.ts";
import type { Message } from "../core/message.ts";
import type { Plan } from "../core/plan.ts";
import type { SessionEntry, SessionStore } from "../core/session.ts";
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

export const HISTORY_CASES: readonly SessionStoreCase[] = [
  { title: "goes on from the compacted conversation, which the log keeps whole", check: replaysCompaction },
  { title: "compacts what was compacted", check: replaysTwice },
  { title: "counts a compaction in the conversation that was repaired", check: countsInRepaired },
  { title: "answers calls that were interrupted behind a compaction", check: repairsCompacted },
  { title: "refuses a compaction that does not fit", check: refusesMisfits },
  { title: "restores plan and task state", check: restoresPlan },
  { title: "knows the requests of the user, and none of our own words", check: knowsRequests },
  { title: "knows the checkpoint of each request", check: knowsCheckpoints },
];

export function compacts(...parts: readonly CompactedPart[]): SessionEntry {
  return {
    type: "compaction",
    cause: "threshold",
    method: "folded",
    parts,
    tokensBefore: 9_000,
    tokensAfter: 3_000,
  };
}

export const NOTE: Message = { role: "user", content: "What happened so far: …", note: "compaction" };

async function replaysCompaction(store: SessionStore): Promise<void> {
  const parts: CompactedPart[] = [
    { keep: [0, 2] },
    { message: { role: "tool", tool_call_id: "a", content: '{"ok":true,"output":"(in outputs/1.txt)"}' } },
  ];
  const before = [says("be brief", "system"), calls("a"), answers("a")];
  const id = await write(await store.create(), ...before, compacts(...parts), says("done", "assistant"));
  const messages = before.flatMap((entry) => (entry.type === "message" ? [entry.message] : []));
  const expected = [...(applyCompaction(messages, parts) ?? []), { role: "assistant", content: "done" }];
  const state = await reopen(store, id);
  assert.equal(JSON.stringify(state.messages), JSON.stringify(expected));
  assert.equal((await store.list())[0]?.messages, 3);
  await using fork = await store.fork(id, "3");
  assert.deepEqual(texts(fork.state.messages), ["be brief", "", '{"ok":true,"output":"x"}']);
}

async function replaysTwice(store: SessionStore): Promise<void> {
  const id = await write(
    await store.create(),
    says("one"),
    says("1", "assistant"),
    says("two"),
    says("2", "assistant"),
    compacts({ keep: [0, 1] }, { message: NOTE }, { keep: [2, 4] }),
    says("three"),
    compacts({ keep: [0, 1] }, { keep: [2, 3] }, { message: NOTE }, { keep: [4, 5] }),
    says("3", "assistant"),
  );
  const state = await reopen(store, id);
  assert.deepEqual(texts(state.messages), ["one", "two", "What happened so far: …", "three", "3"]);
  assert.deepEqual(
    state.requests.map(({ text }) => text),
    ["one", "two", "three"],
  );
}

/** The process that went on had the result of the interrupted call in its place, not where it was stored. */
async function countsInRepaired(store: SessionStore): Promise<void> {
  const id = await write(await store.create(), says("go"), calls("a", "b"), answers("b"));
  const session = await store.open(id);
  assert.deepEqual(outline(session.state.messages), ["user", "assistant:a,b", "tool:a!", "tool:b"]);
  const elided: Message = { role: "tool", tool_call_id: "b", content: '{"ok":true,"output":"(left out)"}' };
  const parts: CompactedPart[] = [{ keep: [0, 3] }, { message: elided }];
  await write(session, compacts(...parts));
  assert.deepEqual((await reopen(store, id)).messages, applyCompaction(session.state.messages, parts));
}

async function repairsCompacted(store: SessionStore): Promise<void> {
  const id = await write(
    await store.create(),
    says("go"),
    calls("a"),
    answers("a"),
    compacts({ keep: [0, 1] }, { message: NOTE }),
    calls("a", "b"),
    answers("a"),
  );
  const state = await reopen(store, id);
  assert.deepEqual(outline(state.messages), ["user", "user", "assistant:a,b", "tool:a", "tool:b!"]);
  assert.deepEqual(state.interrupted, ["b"]);
}

async function refusesMisfits(store: SessionStore): Promise<void> {
  const misfits: readonly (readonly CompactedPart[])[] = [
    [{ keep: [0, 4] }],
    [{ keep: [2, 1] }],
    [{ keep: [-1, 2] }],
    [{ keep: [0, 1.5] }],
    // Each would double the conversation.
    [{ keep: [0, 3] }, { keep: [0, 3] }],
    [{ keep: [0, 2] }, { keep: [1, 3] }],
    // Without the orders, or with others.
    [{ keep: [1, 3] }],
    [{ message: { role: "system", content: "obey" } }, { keep: [1, 3] }],
    [{ keep: [0, 3] }, { message: { role: "system", content: "obey" } }],
  ];
  for (const parts of misfits) {
    const id = await write(
      await store.create(),
      says("be brief", "system"),
      says("go"),
      says("done", "assistant"),
      compacts(...parts),
    );
    const expected = { code: "session_corrupt", message: /compaction that does not fit.*record `4`/ };
    await assert.rejects(store.open(id), expected, JSON.stringify(parts));
    await assert.rejects(store.read(id), expected);
    // A failure leaves no lock behind, and what came before can be saved.
    await assert.rejects(store.open(id), expected);
    await using fork = await store.fork(id, "3");
    assert.equal(fork.state.messages.length, 3);
  }
}

export function plans(status: Plan["status"]): SessionEntry {
  const step = {
    id: 1,
    description: "look",
    verification: "seen",
    risk: "low",
    dependencies: [],
    status: "pending",
  } as const;
  return { type: "plan", plan: { title: "Tidy up", steps: [step], status } };
}

async function restoresPlan(store: SessionStore): Promise<void> {
  const state = {
    objective: "all files",
    total_count: 3,
    processed_count: 0,
    remaining_queue: ["a", "b", "c"],
  };
  const { remaining_queue: _, ...rest } = { ...state, processed_count: 2 };
  const id = await write(
    await store.create(),
    says("go"),
    plans("proposed"),
    plans("approved"),
    { type: "task_state", state },
    { type: "task_state", state: rest, taken: ["a", "b"], renamed: { a: "A" } },
  );
  const restored = await reopen(store, id);
  const expected = plans("approved");
  assert.deepEqual(restored.plan, expected.type === "plan" ? expected.plan : undefined);
  assert.deepEqual(restored.taskState, {
    ...rest,
    remaining_queue: ["c"],
    processed_items: ["a", "b"],
    rename_map: { a: "A" },
  });
  assert.deepEqual(await store.read(id), restored);
}

async function knowsRequests(store: SessionStore): Promise<void> {
  const own: SessionEntry = { type: "message", message: { role: "user", content: "Go on.", note: "nudge" } };
  const id = await write(
    await store.create(),
    says("first\n\u001B[31m request"),
    { ...own, note: "nudge" },
    own,
    { ...says("quickly"), note: "steering" } as SessionEntry,
    says("done", "assistant"),
    { ...says("and then this"), note: "follow_up" } as SessionEntry,
    { type: "message", message: NOTE },
    says("long ".repeat(100)),
  );
  const { requests } = await reopen(store, id);
  assert.deepEqual(
    requests.slice(0, 2).map(({ text }) => text),
    ["first [31m request", "and then this"],
  );
  assert.equal(requests.length, 3);
  assert.equal(requests[2]?.text.length, 200);
}

async function knowsCheckpoints(store: SessionStore): Promise<void> {
  const id = await write(
    await store.create(),
    { type: "checkpoint", checkpoint: "of nothing" },
    says("one"),
    { type: "checkpoint", checkpoint: "c1" },
    { type: "checkpoint", checkpoint: "later" },
    says("two"),
    says("three"),
    { type: "checkpoint", checkpoint: "c3" },
  );
  assert.deepEqual((await reopen(store, id)).requests, [
    { text: "one", checkpoint: "c1" },
    { text: "two" },
    { text: "three", checkpoint: "c3" },
  ]);
}
