import { deepEqual, equal, rejects } from "node:assert/strict";
import { rm } from "node:fs/promises";
import {
  array,
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  integer,
  oneof,
  record,
  constant,
  type Arbitrary,
} from "../_property.ts";
import { expect, it } from "vitest";
import { applyCompaction, type CompactedPart } from "../../src/core/compaction.ts";
import type { Message } from "../../src/core/message.ts";
import type { Session, SessionEntry, SessionStore } from "../../src/core/session.ts";
import { createMemorySessionStore } from "../../src/sessions/index.ts";
import { createClock, createIds, createPlace } from "./_setup.ts";

type Step =
  | { kind: "request"; note: "follow_up" | undefined }
  | { kind: "words"; note: "steering" | "nudge" }
  | { kind: "answer" }
  | { kind: "calls"; ids: string[]; answered: number }
  | { kind: "elide"; every: number }
  | { kind: "fold"; from: number; length: number }
  | { kind: "undo"; count: number }
  | { kind: "resume" }
  | { kind: "fork" };

const steps: Arbitrary<Step[]> = array(
  oneof(
    {
      weight: 4,
      arbitrary: record({ kind: constant("request"), note: constantFrom(undefined, "follow_up") }),
    },
    { weight: 1, arbitrary: record({ kind: constant("words"), note: constantFrom("steering", "nudge") }) },
    { weight: 3, arbitrary: record({ kind: constant("answer") }) },
    {
      weight: 6,
      // Ids repeat, as some servers number the calls of each reply.
      arbitrary: record({
        kind: constant("calls"),
        ids: array(constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 }),
        answered: integer({ min: 0, max: 6 }),
      }),
    },
    { weight: 2, arbitrary: record({ kind: constant("elide"), every: integer({ min: 1, max: 3 }) }) },
    {
      weight: 2,
      arbitrary: record({
        kind: constant("fold"),
        from: integer({ min: 0, max: 30 }),
        length: integer({ min: 1, max: 10 }),
      }),
    },
    { weight: 2, arbitrary: record({ kind: constant("undo"), count: integer({ min: 1, max: 3 }) }) },
    { weight: 2, arbitrary: record({ kind: constant("resume") }) },
    { weight: 1, arbitrary: record({ kind: constant("fork") }) },
  ) as Arbitrary<Step>,
  { maxLength: 25 },
);

/** A process that has a conversation and writes down what it does: what it would send next is what a resume has to give. */
class Conversation {
  readonly #store: SessionStore;
  #session: Session;
  #number = 0;
  messages: Message[] = [];
  /** The conversation before each request. */
  before: Message[][] = [];

  private constructor(store: SessionStore, session: Session) {
    this.#store = store;
    this.#session = session;
  }

  static async start(store: SessionStore): Promise<Conversation> {
    const conversation = new Conversation(store, await store.create());
    await conversation.#add({ role: "system", content: "be brief" });
    return conversation;
  }

  get id(): string {
    return this.#session.id;
  }

  async do(step: Step): Promise<void> {
    const number = (this.#number += 1);
    if (step.kind === "request") return this.#request(`request ${number}`, step.note);
    if (step.kind === "words") return this.#add({ role: "user", content: `words ${number}` }, step.note);
    if (step.kind === "answer") return this.#add({ role: "assistant", content: `answer ${number} ✓` });
    if (step.kind === "calls") return this.#call(step, number);
    if (step.kind === "elide") return this.#elide(step.every);
    if (step.kind === "fold") return this.#fold(step);
    if (step.kind === "undo") return this.#undo(step.count);
    if (step.kind === "fork") return this.#switch(await this.#store.fork(this.id));
    await this.close();
    return this.#switch(await this.#store.open(this.id));
  }

  async close(): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  async #request(content: string, note: "follow_up" | undefined): Promise<void> {
    this.before.push([...this.messages]);
    if (note === undefined) await this.#session.append({ type: "run_started", model: "m" });
    if (note === undefined && this.messages.at(-1)?.role === "user")
      await this.#add({ role: "assistant", content: "(interrupted)" });
    await this.#add({ role: "user", content }, note);
  }

  async #add(message: Message, note?: "follow_up" | "steering" | "nudge"): Promise<void> {
    this.messages.push(message);
    const entry: SessionEntry = { type: "message", message, ...(note === undefined ? {} : { note }) };
    await this.#session.append(entry);
  }

  /** With too few results the process is killed, and the next one goes on. */
  async #call({ ids, answered }: Extract<Step, { kind: "calls" }>, number: number): Promise<void> {
    const tool_calls = ids.map((id) => ({
      id,
      type: "function" as const,
      function: { name: "ls", arguments: `{"path":"${number}"}` },
    }));
    await this.#add({ role: "assistant", content: null, tool_calls });
    for (const id of ids.slice(0, answered))
      await this.#add({ role: "tool", tool_call_id: id, content: `{"ok":true,"output":"${number} ${id}"}` });
    if (answered < ids.length) await this.do({ kind: "resume" });
  }

  async #elide(every: number): Promise<void> {
    await this.#compact(
      this.messages.map((message, index): CompactedPart => {
        if (message.role !== "tool" || index % every !== 0) return { keep: [index, index + 1] };
        return { message: { ...message, content: '{"ok":true,"output":"(left out)"}' } };
      }),
    );
  }

  /** Older turns become a note; the user's own words stay. */
  async #fold({ from, length }: Extract<Step, { kind: "fold" }>): Promise<void> {
    const starts = this.messages.flatMap(({ role }, index) =>
      role === "tool" || index === 0 ? [] : [index],
    );
    const first = starts[from % Math.max(1, starts.length)];
    const end = starts[starts.indexOf(first ?? 0) + length] ?? this.messages.length;
    if (first === undefined) return;
    const own = this.messages
      .slice(first, end)
      .flatMap(({ role }, index): CompactedPart[] =>
        role === "user" ? [{ keep: [first + index, first + index + 1] }] : [],
      );
    const note: Message = { role: "user", content: `${end - first} messages`, note: "compaction" };
    await this.#compact([
      { keep: [0, first] },
      ...own,
      { message: note },
      { keep: [end, this.messages.length] },
    ]);
  }

  async #compact(parts: CompactedPart[]): Promise<void> {
    this.messages = applyCompaction(this.messages, parts) ?? [];
    await this.#session.append({
      type: "compaction",
      cause: "threshold",
      method: "folded",
      parts,
      tokensBefore: 2,
      tokensAfter: 1,
    });
  }

  async #undo(count: number): Promise<void> {
    const before = this.before.at(-count);
    if (before === undefined) {
      await rejects(this.#session.undo(count), { code: "usage" });
      return;
    }
    this.before.splice(-count);
    this.messages = before;
    equal(JSON.stringify((await this.#session.undo(count)).messages), JSON.stringify(before));
  }

  /** Calls that were under way have got results behind those that are there; the rest is as it was. */
  async #switch(session: Session): Promise<void> {
    await this.close();
    this.#session = session;
    const { messages, interrupted } = session.state;
    const known = messages.slice(0, messages.length - interrupted.length);
    equal(JSON.stringify(known), JSON.stringify(this.messages));
    const repairs = messages.slice(known.length);
    deepEqual(
      repairs.map((message) => message.role === "tool" && message.tool_call_id),
      interrupted,
    );
    this.messages = [...messages];
  }
}

async function checkHistory(store: SessionStore, history: readonly Step[]): Promise<void> {
  const conversation = await Conversation.start(store);
  for (const step of history) await conversation.do(step);
  await conversation.close();
  const state = await store.read(conversation.id);
  expect(JSON.stringify(state.messages)).toBe(JSON.stringify(conversation.messages));
  expect(state.requests).toHaveLength(conversation.before.length);
  expect(state.interrupted).toEqual([]);
}

it("gives a resumed conversation as its process would have sent it next, whatever happened to it", async () => {
  const place = await createPlace();
  await assert(
    asyncProperty(steps, boolean(), async (history, inMemory) => {
      const memory = createMemorySessionStore({ workspace: "/w", now: createClock(), newId: createIds() });
      await checkHistory(inMemory ? memory : place.store, history);
      await rm(place.folder, { recursive: true, force: true });
    }),
    { numRuns: 150 },
  );
});
