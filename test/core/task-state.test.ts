import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { applyTaskStateRecord, toTaskStateRecord } from "../../src/core/task-state-record.ts";
import { updateTaskState } from "../../src/core/task-state-update.ts";
import { isOpen, toInventoryHash, type TaskState, type TaskStateChange } from "../../src/core/task-state.ts";

function change(before: TaskState, given: TaskStateChange): { state: TaskState; notes: string } {
  const updated = updateTaskState(before, given);
  if (!updated.ok) throw new Error(updated.error);
  return { state: updated.state, notes: updated.notes.join("; ") };
}

function errorOf(before: TaskState, given: TaskStateChange): string {
  const updated = updateTaskState(before, given);
  if (updated.ok) throw new Error("the update was taken");
  return updated.error;
}

const begun = change({}, { objective: "convert", remaining_queue: ["a.txt", "b.txt", "c.txt"] }).state;

describe("a task state", () => {
  it("counts from its queue", () => {
    expect(begun).toEqual({
      objective: "convert",
      total_count: 3,
      processed_count: 0,
      remaining_queue: ["a.txt", "b.txt", "c.txt"],
    });
    const { state } = change(begun, { done: ["b.txt"] });
    expect(state).toMatchObject({
      total_count: 3,
      processed_count: 1,
      remaining_queue: ["a.txt", "c.txt"],
      processed_items: ["b.txt"],
    });
    expect(isOpen(state)).toBe(true);
    expect(isOpen(change(state, { done: ["a.txt", "c.txt"] }).state)).toBe(false);
  });

  it("merges partial updates, and an empty text takes a field away", () => {
    const noted = change(begun, {
      last_error: "disk full",
      next_action: "free some",
      rename_map: { "a.txt": "x.txt" },
    });
    expect(noted.state).toMatchObject({ objective: "convert", last_error: "disk full", total_count: 3 });
    const { state } = change(noted.state, { last_error: " ", rename_map: { "b.txt": "y.txt" } });
    expect(state).not.toHaveProperty("last_error");
    expect(state).toMatchObject({
      next_action: "free some",
      rename_map: { "a.txt": "x.txt", "b.txt": "y.txt" },
    });
  });

  it("counts an item once, and says what it did not count", () => {
    const once = change(begun, { done: ["a.txt"] }).state;
    expect(errorOf(once, { done: ["a.txt"] })).toBe(
      "already processed, not counted again: a.txt. 1 of 3 processed, 2 remaining.",
    );
    expect(errorOf(once, { done: ["z.txt"] })).toContain("not in the queue, so not counted: z.txt");
    const mixed = change(once, { done: ["a.txt", "b.txt", "b.txt", "z.txt"] });
    expect(mixed.state).toMatchObject({ processed_count: 2, remaining_queue: ["c.txt"] });
    expect(mixed.notes).toBe(
      "not in the queue, so not counted: z.txt; already processed, not counted again: a.txt, b.txt",
    );
  });

  it.each([["./a.txt"], ["/workspace/a.txt"], [" a.txt "], ["new.txt"], ["a.*"]])(
    "knows an item that is called %j",
    (name) => {
      const renamed = change(begun, { rename_map: { "a.txt": "new.txt" } }).state;
      expect(change(renamed, { done: [name] }).state.remaining_queue).toEqual(["b.txt", "c.txt"]);
    },
  );

  it("takes a list that came as one text", () => {
    expect(change(begun, { done: ["a.txt, c.txt"] }).state.remaining_queue).toEqual(["b.txt"]);
    expect(change(begun, { done: ["a.txt\nb.txt\n"] }).state.remaining_queue).toEqual(["c.txt"]);
    expect(change(begun, { done: ["*.txt"] }).state).toMatchObject({
      remaining_queue: [],
      processed_count: 3,
    });
  });

  it("takes in more, each item once and none that is done", () => {
    const once = change(begun, { done: ["a.txt"] }).state;
    const { state, notes } = change(once, { add: ["d.txt", "./d.txt", "a.txt", "b.txt", ""] });
    expect(state).toMatchObject({
      total_count: 4,
      processed_count: 1,
      remaining_queue: ["b.txt", "c.txt", "d.txt"],
    });
    expect(notes).toBe("left out, since already processed: a.txt; named twice and taken once: 2");
  });

  it("does not do the work again for a model that lists all files anew", () => {
    const half = change(begun, { done: ["a.txt", "b.txt"], rename_map: { "b.txt": "b.md" } }).state;
    const again = change(half, { remaining_queue: ["a.txt", "b.md", "c.txt"], objective: "convert all" });
    expect(again.state).toMatchObject({ remaining_queue: ["c.txt"], total_count: 3, processed_count: 2 });
    expect(again.notes).toContain("already processed: a.txt, b.md");
  });

  it("starts anew for a new aim once the old job is finished, or with other items", () => {
    const finished = change(begun, { done: ["*"], last_error: "none" }).state;
    const second = change(finished, { objective: "check", remaining_queue: ["a.txt"] });
    expect(second.state).toEqual({
      objective: "check",
      total_count: 1,
      processed_count: 0,
      remaining_queue: ["a.txt"],
    });
    expect(second.notes).toContain("a new job starts");
    const other = change(begun, { objective: "draw", remaining_queue: ["z.png"] }).state;
    expect(other).toMatchObject({ objective: "draw", total_count: 1, remaining_queue: ["z.png"] });
    expect(change(begun, { objective: "convert to UTF-8" }).state.remaining_queue).toHaveLength(3);
  });

  it("refuses counts that do not fit, and changes nothing", () => {
    expect(errorOf(begun, { processed_count: 2 })).toContain(
      "processed_count 2 does not fit: 0 processed + 3 in the queue = 3",
    );
    expect(errorOf({}, { total_count: 300, remaining_queue: ["a", "b"] })).toContain(
      "total_count 300 does not fit",
    );
    expect(errorOf({}, { total_count: 3, processed_count: 4 })).toContain(
      "processed_count 4 is more than total_count 3",
    );
    expect(errorOf({ total_count: 3, processed_count: 2 }, { total_count: 1 })).toContain(
      "more than total_count 1",
    );
    expect(errorOf({}, { processed_count: -1 })).toBe("`processed_count` must not be below 0");
    expect(begun.processed_count).toBe(0);
  });

  it("repairs counts that are given beside what was done", () => {
    const { state, notes } = change(begun, { done: ["a.txt"], processed_count: 0, total_count: 3 });
    expect(state).toMatchObject({ processed_count: 1, total_count: 3 });
    expect(notes).toBe("processed_count 0 does not fit: 1 processed + 2 in the queue = 3, which counts");
  });

  it("does not lose what a shorter queue leaves out", () => {
    expect(errorOf(begun, { remaining_queue: ["c.txt"] })).toBe(
      "this queue lacks 2 items not processed yet: a.txt, b.txt; nothing was changed. Finished items go into `done`, new ones into `add`; the rest of the queue is kept for you",
    );
    expect(errorOf(begun, { remaining_queue: [] })).toContain("lacks 3 items");
    const byHand = change(begun, { remaining_queue: ["c.txt"], processed_count: 2 }).state;
    expect(byHand).toMatchObject({ total_count: 3, processed_count: 2, processed_items: ["a.txt", "b.txt"] });
    const dropped = change(begun, { remaining_queue: ["c.txt"], total_count: 1 });
    expect(dropped.state).toMatchObject({ total_count: 1, processed_count: 0 });
    expect(dropped.notes).toBe("2 items left the job without being processed: a.txt, b.txt");
  });

  it("does not take a long queue for processed because somebody left it out", () => {
    const queue = Array.from({ length: 300 }, (_, index) => `f${index}`);
    const long = change({}, { remaining_queue: queue }).state;
    expect(errorOf(long, { remaining_queue: [], processed_count: 300 })).toContain("lacks 300 items");
    expect(change(long, { done: ["f*"] }).state.processed_count).toBe(300);
  });

  it("works with numbers alone", () => {
    const counted = change({}, { total_count: 3, processed_count: 1 }).state;
    expect(counted).toEqual({ total_count: 3, processed_count: 1 });
    const { state } = change(counted, { done: ["a", "b", "a"] });
    expect(state).toEqual({ total_count: 3, processed_count: 3, processed_items: ["a", "b"] });
    expect(isOpen(state)).toBe(false);
    expect(errorOf(state, { done: ["b"] })).toContain("already processed");
    expect(isOpen(change({}, { objective: "think" }).state)).toBe(false);
  });

  it("refuses what no window holds", () => {
    expect(errorOf({}, { objective: "x".repeat(1_001) })).toContain("`objective` has 1001 characters");
    expect(errorOf({}, { remaining_queue: ["x".repeat(301)] })).toContain(
      "an item of `remaining_queue` has 301",
    );
    const many = Array.from({ length: 10_001 }, (_, index) => `f${index}`);
    expect(errorOf({}, { remaining_queue: many })).toContain("at most 10000");
    const most = change({}, { remaining_queue: many.slice(1) }).state;
    expect(errorOf(most, { add: ["one more"] })).toContain("more than 10000 items");
  });

  it("has a hash that knows the items and not their order", async () => {
    expect(await toInventoryHash([])).toBe("e3b0c44298fc1c14");
    expect(await toInventoryHash(["b", "a"])).toBe(await toInventoryHash(["a", "b"]));
    expect(await toInventoryHash(["a", "b"])).not.toBe(await toInventoryHash(["a"]));
  });
});

const item = fc.constantFrom(..."abcdefgh".split(""));
const anyChange: fc.Arbitrary<TaskStateChange> = fc.record(
  {
    objective: fc.constantFrom("one", "two"),
    total_count: fc.nat(10),
    processed_count: fc.nat(10),
    remaining_queue: fc.array(item, { maxLength: 8 }),
    add: fc.array(item, { maxLength: 4 }),
    done: fc.array(item, { maxLength: 4 }),
    rename_map: fc.dictionary(item, item, { maxKeys: 2 }),
    last_error: fc.constantFrom("", "broken"),
  },
  { requiredKeys: [] },
);

describe("whatever a model sends", () => {
  it("leaves counts that fit, and no item in the queue that is done or twice", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 12 }), (changes) => {
        let state: TaskState = {};
        for (const each of changes) {
          const updated = updateTaskState(state, each);
          if (updated.ok) state = updated.state;
          const { total_count: total, processed_count: processed = 0, remaining_queue: queue } = state;
          if (queue !== undefined) expect(total).toBe(processed + queue.length);
          if (total !== undefined) expect(processed).toBeLessThanOrEqual(total);
          const all = [...(queue ?? []), ...(state.processed_items ?? [])];
          expect(new Set(all).size).toBe(all.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("comes back from what is logged of each change", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 12 }), (changes) => {
        let state: TaskState | undefined;
        let replayed: TaskState | undefined;
        for (const each of changes) {
          const updated = updateTaskState(state ?? {}, each);
          if (!updated.ok) continue;
          const record = toTaskStateRecord(state, updated.state);
          replayed = applyTaskStateRecord(replayed, JSON.parse(JSON.stringify(record)) as typeof record);
          state = updated.state;
          expect(replayed).toEqual(state);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("costs the log a line a change, not the queue", () => {
    const queue = Array.from({ length: 300 }, (_, index) => `documents/chapter-${index}.md`);
    let state = change({}, { objective: "convert all of it", remaining_queue: queue }).state;
    let bytes = JSON.stringify(toTaskStateRecord(undefined, state)).length;
    for (const name of queue) {
      const next = change(state, { done: [name], rename_map: { [name]: `${name}x` } }).state;
      bytes += JSON.stringify(toTaskStateRecord(state, next)).length;
      state = next;
    }
    expect(state).toMatchObject({ processed_count: 300, remaining_queue: [] });
    expect(bytes).toBeLessThan(JSON.stringify(queue).length + 300 * 250);
  });
});
