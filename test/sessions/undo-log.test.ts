import { appendFile, readFile, writeFile } from "node:fs/promises";
import { array, assert, asyncProperty, constantFrom, integer, record } from "../_property.ts";
import { describe, expect, it } from "vitest";
import { applyCompaction } from "../../src/core/compaction.ts";
import type { Message } from "../../src/core/message.ts";
import { AgentError } from "../../src/core/errors.ts";
import type { SessionEntry, SessionState } from "../../src/core/session.ts";
import { assistant, findUnpaired, result, user, write } from "./_entries.ts";
import { createPlace, type Place } from "./_setup.ts";

const STARTED: SessionEntry = { type: "run_started", model: "m" };

/** Two requests, the second with a call that was interrupted. */
async function writeTwo({ store }: Place): Promise<string> {
  return write(await store.create(), STARTED, user("one"), assistant("a"), result("a"), STARTED, user("two"));
}

async function readRecords(place: Place, id: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(place.file(id), "utf8")).trimEnd().split("\n").slice(1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("an undo in the log", () => {
  it("is one record behind what came before, and the numbers go on", async () => {
    const place = await createPlace();
    const id = await writeTwo(place);
    const session = await place.open(id);
    await session.undo(1);
    await session.append(user("three"));
    const records = await readRecords(place, id);
    expect(records.slice(6)).toMatchObject([
      { id: "7", parent: "4", type: "undone", requests: 1, count: 3 },
      { id: "8", parent: "7", type: "message", count: 4 },
    ]);
    expect(new Set(records.map((record) => record["id"])).size).toBe(records.length);
  });

  it("leaves what was before or what is after it when it is cut off anywhere", async () => {
    const place = await createPlace();
    const id = await writeTwo(place);
    const before = await place.state(id);
    const session = await place.store.open(id);
    const start = (await readFile(place.file(id))).length;
    const after = await session.undo(1);
    await session[Symbol.asyncDispose]();
    const whole = await readFile(place.file(id));
    expect(whole.length).toBeGreaterThan(start);
    for (let size = start; size <= whole.length; size += 1) {
      await writeFile(place.file(id), whole.subarray(0, size));
      // The record is whole without its newline.
      expect(await place.store.read(id)).toEqual(size < whole.length - 1 ? before : after);
    }
  });

  it("answers the calls that it left open, also when it is cut off before that", async () => {
    const place = await createPlace();
    const session = await place.store.create();
    await write(session, user("one"), assistant("a"), user("two"), result("a"));
    const again = await place.store.open(session.id);
    const { messages } = await again.undo(1);
    await again[Symbol.asyncDispose]();
    const lines = (await readFile(place.file(session.id), "utf8")).split("\n");
    await writeFile(place.file(session.id), `${lines.slice(0, -2).join("\n")}\n{"id":"`);
    expect((await place.state(session.id)).messages).toEqual(messages);
  });

  it("keeps the parts that were left out in the file", async () => {
    const place = await createPlace();
    const id = await writeTwo(place);
    const before = await readFile(place.file(id), "utf8");
    const session = await place.open(id);
    await session.undo(2);
    expect((await readFile(place.file(id), "utf8")).startsWith(before)).toBe(true);
  });

  it("is refused when another program has changed the file, and changes nothing", async () => {
    const place = await createPlace();
    const id = await writeTwo(place);
    const session = await place.open(id);
    await appendFile(place.file(id), "x");
    const changed = await readFile(place.file(id));
    await expect(session.undo(1)).rejects.toMatchObject({ code: "storage_failed" });
    expect(await readFile(place.file(id))).toEqual(changed);
  });

  it("goes over a torn line that nothing was written behind yet", async () => {
    const place = await createPlace();
    const id = await writeTwo(place);
    await appendFile(place.file(id), '{"id":"7","parent":"6","at":"2026-');
    const session = await place.store.open(id);
    const state = await session.undo(1);
    await session[Symbol.asyncDispose]();
    expect(await place.store.read(id)).toEqual(state);
    expect((await readRecords(place, id)).at(-1)).toMatchObject({ id: "7", parent: "4", type: "undone" });
  });

  it("waits with what is closed meanwhile", async () => {
    const place = await createPlace();
    const id = await writeTwo(place);
    const session = await place.store.open(id);
    const undone = session.undo(1);
    await session[Symbol.asyncDispose]();
    expect((await undone).requests).toEqual([{ text: "one" }]);
    expect((await place.state(id)).requests).toEqual([{ text: "one" }]);
  });

  it("finds the header again that a killed process could not write", async () => {
    const place = await createPlace();
    const id = await writeTwo(place);
    await writeFile(place.file(id), "");
    const session = await place.store.open(id);
    await session.append(user("one"));
    await session.append(user("two"));
    expect((await session.undo(1)).requests).toEqual([{ text: "one" }]);
    await session[Symbol.asyncDispose]();
    expect((await place.state(id)).messages).toHaveLength(1);
  });
});

describe("a damaged session file", () => {
  it("gives a state that can go on or a clear refusal, whatever its compactions and undos say", async () => {
    const place = await createPlace();
    const session = await place.store.create();
    const sizes = { cause: "threshold", tokensBefore: 2, tokensAfter: 1 } as const;
    const state = { objective: "all", total_count: 2, processed_count: 0, remaining_queue: ["a", "b"] };
    const elided: Message = { role: "tool", tool_call_id: "a", content: '{"ok":true,"output":"(left out)"}' };
    for (const entry of [
      STARTED,
      user("one"),
      { type: "checkpoint", checkpoint: "c1" },
      assistant("a", "b"),
      result("a"),
      result("b"),
      { type: "task_state", state },
      {
        type: "compaction",
        method: "elided",
        parts: [{ keep: [0, 2] }, { message: elided }, { keep: [3, 4] }],
        ...sizes,
      },
      { type: "task_state", state: { processed_count: 1 }, taken: ["a"] },
      STARTED,
      user("two"),
      { type: "compaction", method: "folded", parts: [{ keep: [0, 1] }, { keep: [4, 5] }], ...sizes },
    ] as const satisfies readonly SessionEntry[])
      await session.append(entry);
    await session.undo(1);
    await write(session, STARTED, user("three"), assistant("c"));
    const whole = await readFile(place.file(session.id));
    const digits = [...whole.entries()].filter(([, byte]) => byte >= 0x30 && byte <= 0x39).map(([at]) => at);
    const change = record({ at: constantFrom(...digits), byte: integer({ min: 0x2c, max: 0x3a }) });
    await assert(
      asyncProperty(array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const damaged = Buffer.from(whole);
        for (const { at, byte } of changes) damaged[at] = byte;
        await writeFile(place.file(session.id), damaged);
        expect(await place.store.list()).toHaveLength(1);
        const outcome = await place.store.read(session.id).catch((error: unknown) => error);
        const refused = AgentError.is(outcome, "session_corrupt");
        expect(refused || findUnpaired((outcome as SessionState).messages).length === 0).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe("a made-up session file", () => {
  const plan = { title: "t", steps: [], status: "approved" };
  it.each([
    ["plan.steps.0.dependencies", { type: "plan", plan: { ...plan, steps: [{ id: 1, description: "" }] } }],
    ["plan.status", { type: "plan", plan: { ...plan, status: "odd" } }],
    ["state.remaining_queue.1", { type: "task_state", state: { remaining_queue: ["a", 2] } }],
    ["state.rename_map.b", { type: "task_state", state: { rename_map: { a: "b", b: {} } } }],
    ["taken", { type: "task_state", state: {}, taken: "all" }],
    ["checkpoint", { type: "checkpoint", checkpoint: "" }],
    ["parts.0", { type: "compaction", cause: "request", method: "elided", parts: [{ keep: [1] }] }],
    ["parts", { type: "compaction", cause: "request", method: "elided", parts: {} }],
    ["requests", { type: "undone", requests: "1" }],
    ["reason", { type: "undone", requests: 1, reason: "whim" }],
    ["message.note", { type: "message", message: { role: "user", content: "x", note: "other" } }],
    [
      "message.tool_calls.0.id",
      { type: "message", message: { role: "assistant", content: "", tool_calls: [{}] } },
    ],
    ["message.content", { type: "message", message: { role: "user", content: [{ type: "video" }] } }],
    ["message.role", { type: "message", message: { role: "constructor", content: "x" } }],
  ])("is refused with the name of the field: %s", async (field, entry) => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("go"));
    const stored = { id: "2", parent: "1", at: "2026-02-20T14:35:12Z", ...entry };
    await appendFile(place.file(id), `${JSON.stringify(stored)}\n{"id":"3"`);
    await expect(place.store.open(id)).rejects.toMatchObject({
      code: "session_corrupt",
      message: expect.stringContaining(`line 3: its \`${field}\` cannot be used`) as string,
    });
  });

  it("may hold more messages than a call takes arguments", () => {
    const messages: Message[] = Array.from({ length: 150_000 }, () => ({ role: "user", content: "x" }));
    expect(applyCompaction(messages, [{ keep: [0, messages.length] }])).toEqual(messages);
  });

  it("cannot keep a process busy with compactions", async () => {
    const place = await createPlace();
    const session = await place.store.create();
    await Promise.all(Array.from({ length: 8_000 }, (_, index) => session.append(user(`${index}`))));
    const parts = [{ keep: [0, 8_000] as const }];
    await Promise.all(
      Array.from({ length: 700 }, () =>
        session.append({
          type: "compaction",
          cause: "threshold",
          method: "elided",
          parts,
          tokensBefore: 2,
          tokensAfter: 1,
        }),
      ),
    );
    await session[Symbol.asyncDispose]();
    await expect(place.store.read(session.id)).rejects.toMatchObject({ code: "session_corrupt" });
  });
});
