import { expect, test } from "vitest";
import type { ModelUse } from "../../src/engine/manager/model-manager.ts";
import { createHandManager } from "./_manager.ts";
import type { HandEngine } from "./_manager.ts";

const SIZES: Record<string, number> = { a: 3, b: 4, c: 5, d: 7, e: 10, f: 2 };
const BUDGET = 12;
const KEYS = Object.keys(SIZES);

/** The same numbers each time (mulberry32). */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test.each([1, 2, 3, 4, 5])(
  "whatever clients do, memory is kept to and nobody loses a model in use (%i)",
  async (seed) => {
    const random = createRandom(seed);
    let engines: HandEngine[] = [];
    const { manager, engines: made } = createHandManager({
      keys: KEYS,
      quick: false,
      waitingLimit: 100,
      memoryBudgetBytes: BUDGET,
      planMemory: async (_plan, { key }) => ({ requiredBytes: SIZES[key] ?? 0 }),
    });
    engines = made;
    const alive = (): HandEngine[] => engines.filter(({ disposed }) => !disposed);
    const check = (): void => {
      expect(alive().reduce((sum, { key }) => sum + (SIZES[key] ?? 0), 0)).toBeLessThanOrEqual(BUDGET);
      expect(new Set(alive().map(({ key }) => key)).size).toBe(alive().length);
    };
    let served = 0;
    const client = async (): Promise<void> => {
      for (let turn = 0; turn < 25; turn += 1) {
        const abort = new AbortController();
        const asked = manager.use(KEYS[random(KEYS.length)], {
          purpose: "chat",
          signal: abort.signal,
          ...(random(4) === 0 ? { ttlMs: random(2) === 0 ? 0 : null } : {}),
        });
        if (random(5) === 0) abort.abort(new Error("left"));
        const use: ModelUse | undefined = await asked.catch(() => undefined);
        for (let waits = random(4); waits > 0; waits -= 1) await soon();
        if (use !== undefined) {
          served += 1;
          expect(engines.some((engine) => !engine.disposed && engine.key === use.model.id)).toBe(true);
        }
        use?.release();
        check();
      }
    };
    let running = true;
    const loads = (async () => {
      while (running) {
        for (const engine of engines) if (random(3) > 0) engine.finish();
        check();
        await soon();
      }
    })();
    await Promise.all(Array.from({ length: 8 }, client));
    expect(served).toBeGreaterThan(100);
    for (const engine of engines) engine.finish();
    await manager[Symbol.asyncDispose]();
    running = false;
    await loads;
    expect(alive()).toEqual([]);
    expect(manager.loaded()).toEqual([]);
  },
);

test("a client that leaves at any moment of a load holds nothing", async () => {
  for (let steps = 0; steps < 80; steps += 1) {
    const { manager } = createHandManager({ keys: ["a"] });
    const abort = new AbortController();
    const asked = manager.use("a", { purpose: "chat", signal: abort.signal }).then(
      (use) => use.release(),
      () => undefined,
    );
    for (let step = 0; step < steps; step += 1) await Promise.resolve();
    abort.abort(new Error("left"));
    await asked;
    await soon();
    expect(manager.loaded().map(({ users }) => users)).not.toContain(1);
    using use = await manager.use("a", { purpose: "chat", signal: new AbortController().signal });
    expect(use.model.users).toBe(1);
  }
});
