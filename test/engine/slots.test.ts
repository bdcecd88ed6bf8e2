import { describe, expect, test } from "vitest";
import type { LlamaSlot, Token } from "../../src/engine/llama/llama.ts";
import { createSlotPool, findDonor } from "../../src/engine/llama/slots.ts";

function createSlot(index: number, tokens: readonly Token[]): LlamaSlot {
  return {
    index,
    length: tokens.length,
    prefixLength: (other) => {
      const at = other.findIndex((token, position) => tokens[position] !== token);
      return at < 0 ? Math.min(other.length, tokens.length) : at;
    },
  } as LlamaSlot;
}

const signal = new AbortController().signal;

describe("the slot pool", () => {
  test("prefers the slot that holds the beginning of the prompt", async () => {
    const pool = createSlotPool([createSlot(0, [1, 2, 9]), createSlot(1, [5, 6, 7])]);
    expect((await pool.acquire([5, 6, 7, 8], { signal })).index).toBe(1);
  });

  test("takes an empty slot before it throws away another conversation that only begins alike", async () => {
    const pool = createSlotPool([createSlot(0, [1, 2, 3, 4, 5, 6]), createSlot(1, [])]);
    expect((await pool.acquire([1, 2, 9, 9], { signal })).index).toBe(1);
  });

  test("takes the slot that rested longest when none fits", async () => {
    const pool = createSlotPool([createSlot(0, [1]), createSlot(1, [2])]);
    const first = await pool.acquire([7], { signal });
    pool.release(first);
    expect([first.index, (await pool.acquire([7], { signal })).index]).toEqual([0, 1]);
  });

  test("serves waiting requests in order, and forgets those that gave up", async () => {
    const pool = createSlotPool([createSlot(0, [])]);
    const slot = await pool.acquire([1], { signal });
    const order: string[] = [];
    const abort = new AbortController();
    const gaveUp = pool.acquire([2], { signal: abort.signal });
    const second = pool.acquire([3], { signal }).then((one) => {
      order.push("second");
      pool.release(one);
    });
    const third = pool.acquire([4], { signal }).then(() => order.push("third"));
    abort.abort(new Error("gave up"));
    await expect(gaveUp).rejects.toThrow("gave up");
    pool.release(slot);
    await Promise.all([second, third]);
    expect(order).toEqual(["second", "third"]);
  });

  test("waits for the slot that was asked for", async () => {
    const pool = createSlotPool([createSlot(0, []), createSlot(1, [])]);
    const one = await pool.acquire([1], { signal, slot: 1 });
    const again = pool.acquire([1], { signal, slot: 1 });
    const state = await Promise.race([again.then(() => "served"), Promise.resolve("waiting")]);
    expect(state).toBe("waiting");
    pool.release(one);
    expect((await again).index).toBe(1);
  });

  test("tells what its slots hold, and which of them are busy", async () => {
    const pool = createSlotPool([createSlot(0, [1, 2]), createSlot(1, [])]);
    const slot = await pool.acquire([1, 2, 3], { signal });
    expect(pool.states()).toEqual([
      { index: 0, busy: true, tokens: 2, lastTask: 0 },
      { index: 1, busy: false, tokens: 0 },
    ]);
    pool.release(slot);
    pool.release(await pool.acquire([4], { signal, slot: 1 }));
    expect(pool.states().map(({ busy, lastTask }) => [busy, lastTask])).toEqual([
      [false, 0],
      [false, 1],
    ]);
  });

  test("refuses when the queue is full", async () => {
    const pool = createSlotPool([createSlot(0, [])]);
    await pool.acquire([1], { signal });
    for (let count = 0; count < 64; count += 1)
      void pool.acquire([1], { signal: new AbortController().signal });
    expect(() => pool.acquire([1], { signal })).toThrow(
      expect.objectContaining({ code: "engine_failed", data: { reason: "queue_full" } }),
    );
  });
});

describe("a prompt's beginning in another slot", () => {
  const shared = Array.from({ length: 200 }, (_, at) => at);

  test("is taken from there when it is long and a good part of what is there", () => {
    const [donor, empty] = [createSlot(0, [...shared, 1, 2, 3]), createSlot(1, [])];
    expect(findDonor([donor, empty], { slot: empty, tokens: [...shared, 9] })).toBe(donor);
    expect(findDonor([donor, empty], { slot: donor, tokens: [...shared, 9] })).toBeUndefined();
    expect(findDonor([donor, empty], { slot: empty, tokens: [0, 1, 2, 99] })).toBeUndefined();
  });

  test("is read again rather than copied with much more that is of no use", () => {
    const donor = createSlot(0, [...shared, ...Array.from({ length: 1000 }, () => 7)]);
    const empty = createSlot(1, []);
    expect(findDonor([donor, empty], { slot: empty, tokens: [...shared, 9] })).toBeUndefined();
  });
});
