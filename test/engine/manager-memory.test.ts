import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { engineFailed } from "../../src/engine/engine-failure.ts";
import type { LoadOptions } from "../../src/engine/protocol.ts";
import {
  chat,
  collect,
  createHandManager,
  errorOf,
  failedWith,
  ids,
  LONG,
  never,
  settle,
  useOnce,
} from "./_manager.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("memory", () => {
  const sizes: Record<string, number> = { a: 40, b: 40, c: 40, d: 80, giant: 101 };
  const keys = Object.keys(sizes);
  const planMemory = async (
    _plan: LoadOptions,
    { key }: { key: string },
  ): Promise<{ requiredBytes: number }> => ({
    requiredBytes: (sizes[key] ?? 0) * 1e9,
  });
  const budget = { keys, planMemory, memoryBudgetBytes: 100e9 };

  test("is made by unloading what rested longest, as much as is needed", async () => {
    const { manager, changes } = createHandManager(budget);
    for (const name of ["a", "b", "a", "c"]) await useOnce(manager, name);
    expect(ids(manager)).toEqual(["a", "c"]);
    await useOnce(manager, "d");
    expect(ids(manager)).toEqual(["d"]);
    expect(changes.filter((change) => change.startsWith("evicted"))).toEqual([
      "evicted b",
      "evicted a",
      "evicted c",
    ]);
  });

  test("is taken from what requests loaded before what somebody loaded by hand", async () => {
    const { manager } = createHandManager(budget);
    await manager.load("a", {}, { signal: never });
    await vi.advanceTimersByTimeAsync(10);
    await useOnce(manager, "b");
    await useOnce(manager, "c");
    expect(ids(manager)).toEqual(["a", "c"]);
  });

  test("counts the models too where there is a limit", async () => {
    const { manager } = createHandManager({ maxModels: 2 });
    for (const name of ["a", "b", "c"]) await useOnce(manager, name);
    expect(ids(manager)).toEqual(["b", "c"]);
  });

  test("of an unloaded model is free only when its process has ended", async () => {
    const { manager, engines } = createHandManager({ ...budget, maxModels: 1, slowEnd: true });
    await useOnce(manager, "a");
    const next = manager.use("b", chat);
    await settle();
    expect([engines.length, manager.loaded()[0]?.state]).toEqual([1, "unloading"]);
    engines[0]?.letEnd();
    expect((await next).model.id).toBe("b");
  });

  test("that a model never can have is refused before anybody has to go", async () => {
    const { manager, changes } = createHandManager(budget);
    await useOnce(manager, "a");
    await expect(manager.use("giant", chat)).rejects.toMatchObject({
      ...failedWith("insufficient_memory", "101000 MB"),
      data: expect.objectContaining({ requiredBytes: 101e9, availableBytes: 100e9 }) as unknown,
    });
    expect(changes).not.toContain("evicted a");
  });

  test("that is in use is waited for, first come first served, and not for ever", async () => {
    const { manager } = createHandManager({ ...budget, maxModels: 1, waitLimitMs: 1000 });
    const first = await manager.use("a", chat);
    const [second, third] = [manager.use("b", chat), manager.use("c", chat)];
    const gaveUp = errorOf(third);
    await vi.advanceTimersByTimeAsync(500);
    first.release();
    expect((await second).model.id).toBe("b");
    await vi.advanceTimersByTimeAsync(1000);
    expect(await gaveUp).toMatchObject(failedWith("insufficient_memory", "in use: `b`"));
    expect(ids(manager)).toEqual(["b"]);
  });

  test("that the machine does not have is made one model at a time", async () => {
    let freeBytes = 0;
    const planNow = async (
      _plan: LoadOptions,
      { key }: { key: string },
    ): Promise<{ requiredBytes: number }> => {
      if (key === "c" && freeBytes < 2) throw engineFailed("insufficient_memory", "the machine is full");
      return { requiredBytes: 1 };
    };
    const { manager, changes } = createHandManager({
      planMemory: planNow,
      onChange: ({ type, model }) => {
        if (type === "evicted") freeBytes += 1;
        changes.push(`${type} ${model.id}`);
      },
    });
    await useOnce(manager, "a");
    await useOnce(manager, "b");
    await useOnce(manager, "c");
    expect(changes).toEqual(expect.arrayContaining(["evicted a", "evicted b", "ready c"]));
    const full = createHandManager({
      planMemory: async () => {
        throw engineFailed("insufficient_memory", "the machine is full");
      },
    });
    await expect(full.manager.use("a", chat)).rejects.toThrow("the machine is full");
  });

  test("can be planned smaller by whoever plans it", async () => {
    const { manager } = createHandManager({
      planMemory: async (plan) => ({ requiredBytes: 7, plan: { ...plan, contextTokens: 512 } }),
    });
    using use = await manager.use("a", chat);
    expect([use.model.plan.contextTokens, use.model.residentBytes]).toEqual([512, 7]);
  });
});

describe("the end of a model", () => {
  test("can wait for those who use it, and those who come meanwhile get it anew", async () => {
    const { manager, engines } = createHandManager();
    const use = await manager.use("a", chat);
    const unloaded = manager.unload("a", { graceMs: 1000 });
    const later = manager.use("a", chat);
    await vi.advanceTimersByTimeAsync(500);
    expect([engines[0]?.disposed, manager.loaded()[0]?.state]).toEqual([false, "unloading"]);
    use.release();
    expect(await unloaded).toBe(true);
    expect((await later).model.engine).not.toBe(use.model.engine);
  });

  test("comes at the limit of that wait, or at once when it is asked for again", async () => {
    const { manager, engines } = createHandManager();
    await manager.use("a", chat);
    const patient = manager.unload("a", { graceMs: 1000 });
    await vi.advanceTimersByTimeAsync(1000);
    expect([await patient, engines[0]?.disposed]).toEqual([true, true]);
    await manager.use("b", chat);
    const long = manager.unload("b", { graceMs: 1e9 });
    await settle();
    expect(await Promise.all([manager.unload("b"), long])).toEqual([true, true]);
  });

  test("fails what runs on it, whatever its engine says then", async () => {
    const { manager, engines } = createHandManager();
    using use = await manager.use("a", chat);
    await use.model.engine.facts();
    const [engine] = engines;
    if (engine === undefined) throw new Error("no engine");
    engine.answer = async function* answer(_request, signal) {
      yield { type: "accepted", promptTokens: 1 };
      await new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(new Error("socket hang up"))),
      );
    };
    const running = collect(use.model.engine.generate(LONG, { signal: never }));
    const failed = errorOf(running);
    await settle();
    await manager.unload("a");
    expect(await failed).toMatchObject(failedWith("unloaded", "`a`"));
    await expect(use.model.engine.slots()).rejects.toMatchObject(failedWith("unloaded"));
  });

  test("of all of them is waited for by the manager's own", async () => {
    const { manager, engines } = createHandManager({ slowEnd: true });
    await useOnce(manager, "a");
    await useOnce(manager, "b");
    let ended = false;
    const end = manager[Symbol.asyncDispose]().then(() => {
      ended = true;
    });
    await settle();
    engines[0]?.letEnd();
    await settle();
    expect(ended).toBe(false);
    engines[1]?.letEnd();
    await end;
    expect(engines.map(({ disposed }) => disposed)).toEqual([true, true]);
  });
});
