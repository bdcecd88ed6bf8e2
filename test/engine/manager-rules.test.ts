import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import { engineFailed } from "../../src/engine/engine-failure.ts";
import {
  chat,
  createHandManager,
  errorOf,
  failedWith,
  ids,
  never,
  settle,
  toEntry,
  useOnce,
} from "./_manager.ts";

const HOUR_MS = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("which model a request gets", () => {
  test("the one it names: by id, by key or by alias, letters in any case", async () => {
    const { manager, engines } = createHandManager({
      entries: [toEntry("qwen", { aliases: ["Org/Qwen"] }), toEntry("other")],
    });
    for (const name of ["qwen", "QWEN", "org/qwen"]) expect(await useOnce(manager, name)).toBe("qwen");
    expect(engines.length).toBe(1);
  });

  test("one that was loaded under another id, instead of a second copy", async () => {
    const { manager } = createHandManager();
    await manager.load("a", { id: "mine" }, { signal: never });
    expect([await useOnce(manager, "mine"), await useOnce(manager, "a")]).toEqual(["mine", "mine"]);
  });

  test("without a name the one that was loaded last, else the first of the catalog, of this purpose", async () => {
    const { manager } = createHandManager({
      entries: [toEntry("vectors", { purpose: "embedding" }), toEntry("a"), toEntry("b")],
    });
    expect(await useOnce(manager, undefined)).toBe("a");
    await useOnce(manager, "b");
    await useOnce(manager, "a");
    using use = await manager.use(undefined, { purpose: "embedding", signal: never });
    expect(use.model.id).toBe("vectors");
    expect(await useOnce(manager, undefined)).toBe("b");
  });

  test("an unknown name, a name for the wrong purpose, and no model at all are told apart", async () => {
    const { manager } = createHandManager({
      entries: [toEntry("a"), toEntry("vectors", { purpose: "embedding" })],
    });
    await expect(manager.use("nope", chat)).rejects.toMatchObject(failedWith("model_not_found", "`nope`"));
    await expect(manager.use("vectors", chat)).rejects.toMatchObject(
      failedWith("unsupported", "cannot write"),
    );
    const embedding = manager.use("a", { purpose: "embedding", signal: never });
    await expect(embedding).rejects.toMatchObject(failedWith("unsupported", "no embeddings"));
    const empty = createHandManager({ keys: [] }).manager;
    await expect(empty.use(undefined, chat)).rejects.toMatchObject(failedWith("model_not_found"));
    expect(manager.loaded()).toEqual([]);
  });

  test("an id that means something else is refused, with what it means", async () => {
    const { manager } = createHandManager();
    await manager.load("a", { id: "x", contextTokens: 1024 }, { signal: never });
    const signal = never;
    await manager.load("a", { id: "x" }, { signal });
    await manager.load("a", { id: "x", contextTokens: 1024 }, { signal });
    const other = manager.load("b", { id: "x" }, { signal });
    await expect(other).rejects.toMatchObject(failedWith("invalid_request", "another model, `a`"));
    const larger = manager.load("a", { id: "x", contextTokens: 9 }, { signal });
    await expect(larger).rejects.toMatchObject(failedWith("invalid_request", "`contextTokens` `1024`"));
    const guessing = manager.load("a", { id: "x", speculation: { type: "lookup" } }, { signal });
    await expect(guessing).rejects.toMatchObject(failedWith("invalid_request", "guesses no tokens"));
    expect(manager.loaded()[0]?.users).toBe(0);
  });

  test("a load that cannot be as it was asked for is refused, and not made less", async () => {
    const { manager, engines } = createHandManager();
    const causes = [
      [{ id: " " }, "`id` is empty"],
      [{ slots: 257 }, "at most 256"],
    ] as const;
    for (const [config, cause] of causes)
      await expect(manager.load("a", config, { signal: never })).rejects.toMatchObject(
        failedWith("invalid_request", cause),
      );
    expect(engines).toEqual([]);
  });
});

describe("rest", () => {
  test("what a request loaded goes after an hour without use, what was loaded by hand stays", async () => {
    const { manager, changes } = createHandManager();
    await manager.load("b", {}, { signal: never });
    await useOnce(manager, "a");
    expect(manager.loaded()[1]?.expiresAt).toEqual(new Date(Date.now() + HOUR_MS));
    await vi.advanceTimersByTimeAsync(HOUR_MS - 1);
    await useOnce(manager, "a");
    await vi.advanceTimersByTimeAsync(HOUR_MS - 1);
    expect(ids(manager)).toEqual(["b", "a"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(ids(manager)).toEqual(["b"]);
    expect(changes.at(-1)).toBe("unloaded a");
    await vi.advanceTimersByTimeAsync(100 * 24 * HOUR_MS);
    expect(ids(manager)).toEqual(["b"]);
  });

  test("that lasts longer than a date can say ends on the last day there is", async () => {
    const { manager } = createHandManager({ ttlMs: 1e300 });
    await useOnce(manager, "a");
    expect(manager.loaded()[0]?.expiresAt?.toISOString()).toBe("+275760-09-13T00:00:00.000Z");
  });

  test("does not begin while somebody uses the model", async () => {
    const { manager } = createHandManager({ ttlMs: 10 });
    const use = await manager.use("a", chat);
    const second = await manager.use("a", chat);
    await vi.advanceTimersByTimeAsync(100);
    use.release();
    use.release();
    await vi.advanceTimersByTimeAsync(100);
    expect(manager.loaded()[0]).toMatchObject({ users: 1, expiresAt: undefined });
    second.release();
    await vi.advanceTimersByTimeAsync(10);
    expect(ids(manager)).toEqual([]);
  });

  test("lasts as long as the last request wants: not at all, a while, for ever", async () => {
    const { manager } = createHandManager();
    const useFor = async (ttlMs: number | null): Promise<void> => {
      (await manager.use("a", { ...chat, ttlMs })).release();
      await settle();
    };
    await useFor(0);
    expect(ids(manager)).toEqual([]);
    await useFor(50);
    await vi.advanceTimersByTimeAsync(49);
    expect(ids(manager)).toEqual(["a"]);
    await useFor(null);
    await vi.advanceTimersByTimeAsync(1000 * HOUR_MS);
    expect(ids(manager)).toEqual(["a"]);
    expect(manager.setTtl("a", 5)).toBe(true);
    await vi.advanceTimersByTimeAsync(5);
    expect(ids(manager)).toEqual([]);
    expect(manager.setTtl("a", 5)).toBe(false);
    await expect(manager.use("a", { ...chat, ttlMs: -1 })).rejects.toMatchObject(
      failedWith("invalid_request"),
    );
    await expect(manager.use("a", { ...chat, ttlMs: NaN })).rejects.toMatchObject(
      failedWith("invalid_request"),
    );
  });

  test("is as long as ever when the clock is set", async () => {
    const { manager } = createHandManager();
    await useOnce(manager, "a");
    vi.setSystemTime(Date.now() - 24 * HOUR_MS);
    expect(manager.loaded()[0]?.expiresAt).toEqual(new Date(Date.now() + HOUR_MS));
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    expect(ids(manager)).toEqual([]);
  });

  test("longer than a timer can wait is waited for all the same", async () => {
    const { manager } = createHandManager({ ttlMs: 2 ** 31 + 1000 });
    await useOnce(manager, "a");
    await vi.advanceTimersByTimeAsync(2 ** 31 + 999);
    expect(ids(manager)).toEqual(["a"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(ids(manager)).toEqual([]);
  });
});

describe("loads", () => {
  test("come one after the other, in the order of their requests", async () => {
    const { manager, engines } = createHandManager({ quick: false });
    const uses = ["a", "b", "a", "c"].map((name) => manager.use(name, chat));
    await settle();
    expect(engines.map(({ key }) => key)).toEqual(["a"]);
    engines[0]?.finish();
    await settle();
    expect(engines.map(({ key }) => key)).toEqual(["a", "b"]);
    engines[1]?.finish();
    await settle();
    engines[2]?.finish();
    expect((await Promise.all(uses)).map(({ model }) => model.id)).toEqual(["a", "b", "a", "c"]);
    expect(manager.loaded().map(({ users }) => users)).toEqual([2, 1, 1]);
  });

  test("that nobody waits for any more do not begin; one that runs goes on", async () => {
    const { manager, engines } = createHandManager({ quick: false });
    const first = new AbortController();
    const gone = new AbortController();
    const running = await manager.use("a", { ...chat, signal: first.signal });
    const waiting = manager.use("b", { ...chat, signal: gone.signal });
    const third = manager.use("c", chat);
    await settle();
    gone.abort(new Error("client left"));
    await expect(waiting).rejects.toThrow("client left");
    running.release();
    engines[0]?.finish();
    await third;
    expect(engines.map(({ key }) => key)).toEqual(["a", "c"]);
    expect(manager.loaded()[0]).toMatchObject({ state: "ready", users: 0 });
  });

  test("by hand that are given up are ended", async () => {
    const { manager, engines } = createHandManager({ quick: false });
    const abort = new AbortController();
    const load = manager.load("a", {}, { signal: abort.signal });
    await settle();
    abort.abort(new Error("Ctrl-C"));
    await expect(load).rejects.toThrow("Ctrl-C");
    await settle();
    expect([engines[0]?.disposed, ids(manager)]).toEqual([true, []]);
    await vi.waitFor(async () => {
      const next = manager.use("b", chat);
      await settle();
      engines[1]?.finish();
      (await next).release();
    });
  });

  test("more than may wait are refused", async () => {
    const { manager } = createHandManager({ quick: false, waitingLimit: 1 });
    const [first, second] = [manager.use("a", chat), manager.use("b", chat)];
    await expect(manager.use("c", chat)).rejects.toMatchObject(failedWith("queue_full"));
    await manager[Symbol.asyncDispose]();
    await Promise.allSettled([first, second]);
  });

  test("that failed are not tried again at once, and later as often as they are asked for", async () => {
    const { manager, engines } = createHandManager({ quick: false });
    const tryOnce = async (): Promise<string> => {
      const asked = useOnce(manager, "a").catch((thrown: Error) => thrown.message);
      await settle();
      engines.at(-1)?.fail(engineFailed("load_failed", `broken ${engines.length}`));
      return asked;
    };
    expect([await tryOnce(), await tryOnce(), await tryOnce()]).toEqual(["broken 1", "broken 1", "broken 1"]);
    await vi.advanceTimersByTimeAsync(500);
    expect(await tryOnce()).toBe("broken 2");
    await vi.advanceTimersByTimeAsync(500);
    expect(await tryOnce()).toBe("broken 2");
    await vi.advanceTimersByTimeAsync(500);
    expect(await tryOnce()).toBe("broken 3");
    expect(engines.map(({ disposed }) => disposed)).toEqual([true, true, true]);
    const byHand = manager.load("a", {}, { signal: never });
    await settle();
    engines[3]?.finish();
    expect((await byHand).state).toBe("ready");
  });

  test("that fail for want of memory are tried once more with half the context", async () => {
    const { manager, engines, lines } = createHandManager({ quick: false });
    const use = await manager.use("a", chat);
    engines[0]?.fail(engineFailed("load_failed", "llama.cpp: unable to allocate CPU buffer"));
    await vi.waitFor(() => expect(engines.length).toBe(2));
    engines[1]?.finish();
    expect((await use.model.engine.facts()).contextTokens).toBe(4096);
    expect([use.model.plan.contextTokens, engines[0]?.disposed]).toEqual([4096, true]);
    expect(lines.join("\n")).toContain("4096 tokens of context instead of 8192");
  });

  test("that fail for want of memory twice say so", async () => {
    const { manager, engines } = createHandManager({ quick: false });
    const use = await manager.use("a", chat);
    const facts = use.model.engine.facts();
    const expected = errorOf(facts);
    engines[0]?.fail(engineFailed("insufficient_memory", "no."));
    await vi.waitFor(() => expect(engines.length).toBe(2));
    engines[1]?.fail(engineFailed("load_failed", "out of memory."));
    expect(await expected).toMatchObject(failedWith("insufficient_memory", "does not fit"));
    await vi.waitFor(() => expect(manager.loaded()).toEqual([]));
    expect(engines.map(({ disposed }) => disposed)).toEqual([true, true]);
  });

  test("go on while a model is unloaded that still loads", async () => {
    const { manager, engines, changes } = createHandManager({ quick: false });
    const use = await manager.use("a", chat);
    const facts = errorOf(use.model.engine.facts());
    const next = manager.use("b", chat);
    expect(await manager.unload("a")).toBe(true);
    expect(await facts).toMatchObject(failedWith("unloaded"));
    expect((await next).model.id).toBe("b");
    expect([engines[0]?.disposed, changes.includes("failed a")]).toEqual([true, false]);
  });
});

test("errors of a catalog reach whoever asked", async () => {
  const broken = new AgentError("storage_failed", "the folder cannot be read");
  const { manager } = createHandManager({
    catalog: { list: () => Promise.reject(broken), find: () => Promise.reject(broken) },
  });
  await expect(manager.use("a", chat)).rejects.toBe(broken);
  await expect(manager.use(undefined, chat)).rejects.toBe(broken);
});

test("a request that comes when the process has just died while it loaded has it loaded anew", async () => {
  const { manager, engines } = createHandManager({ quick: false });
  const load = errorOf(manager.load("a", {}, { signal: never }));
  await vi.waitFor(() => expect(engines.length).toBe(1));
  const data = { reason: "load_failed", died: true };
  engines[0]?.fail(new AgentError("engine_failed", "It ended with code 1.", { data }));
  // All that needs no other thread is done.
  await new Promise(process.nextTick);
  const next = useOnce(manager, "a");
  await vi.waitFor(() => expect(engines.length).toBe(2));
  engines[1]?.finish();
  expect(await next).toBe("a");
  expect(await load).toMatchObject(failedWith("load_failed", "code 1"));
});
