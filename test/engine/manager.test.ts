import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { GenerateEvent } from "../../src/engine/protocol.ts";
import { chat, collect, createRealManager, eventually, failedWith, LONG, never, SHORT } from "./_manager.ts";
import type { RealManager } from "./_manager.ts";

/** A generation that goes on, its first text read. */
async function startStream(
  { manager }: RealManager,
  name: string,
): Promise<{ events: AsyncGenerator<GenerateEvent, void, void>; end: () => void }> {
  const use = await manager.use(name, chat);
  const events = use.model.engine.generate(LONG, { signal: never });
  for (;;) {
    const { value } = await events.next();
    if (value?.type === "text") break;
  }
  return { events, end: use.release };
}

async function ask({ manager }: RealManager, name: string): Promise<GenerateEvent | undefined> {
  using use = await manager.use(name, chat);
  return (await collect(use.model.engine.generate(SHORT, { signal: never }))).at(-1);
}

const done = expect.objectContaining({ type: "done", reason: "length" }) as unknown;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("models in real engines", () => {
  test("20 requests at once load the model once, and are counted", async () => {
    await using real = await createRealManager(["one"]);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(real, "one")));
    expect(answers).toEqual(Array.from({ length: 20 }, () => done));
    expect(real.count()).toBe(1);
    const stats = real.manager.loaded()[0]?.stats();
    expect(stats).toMatchObject({ requests: 20, failed: 0, active: 0, queued: 0, completionTokens: 60 });
    expect(stats?.cachedTokens).toBeGreaterThan(0);
    expect(stats?.firstTokenMs?.p95).toBeGreaterThanOrEqual(stats?.firstTokenMs?.p50 ?? Infinity);
    expect(stats?.contextUsed).toBeGreaterThan(3);
  });

  test("rest for the TTL ends the child", async () => {
    await using real = await createRealManager(["one"], { ttlMs: 30 });
    const use = await real.manager.use("one", chat);
    await use.model.engine.facts();
    const { pid = 0 } = use.model.engine;
    use.release();
    await eventually(() => real.changes.includes("unloaded one"));
    expect(isAlive(pid)).toBe(false);
    expect(real.manager.loaded()).toEqual([]);
  });

  test("with room for two of three, the one that rested longest goes, never one that streams", async () => {
    const memory = { memoryBudgetBytes: 2e9, planMemory: async () => ({ requiredBytes: 1e9 }) };
    await using real = await createRealManager(["one", "two", "three"], memory);
    const stream = await startStream(real, "one");
    await ask(real, "two");
    await ask(real, "three");
    expect(real.changes).toContain("evicted two");
    expect(real.manager.loaded().map(({ id }) => id)).toEqual(["one", "three"]);
    expect((await stream.events.next()).value).toMatchObject({ type: "text" });
    await stream.events.return();
    stream.end();
  });

  test("a child that is killed while it writes fails that request, and serves the next one", async () => {
    await using real = await createRealManager(["one"]);
    const stream = await startStream(real, "one");
    process.kill(real.manager.loaded()[0]?.engine.pid ?? 0, "SIGKILL");
    await expect(collect(stream.events)).rejects.toMatchObject(failedWith("crashed"));
    stream.end();
    expect(await ask(real, "one")).toEqual(done);
    expect(real.changes).toEqual(["loading one", "ready one", "crashed one"]);
    expect(real.manager.loaded()[0]?.stats()).toMatchObject({ requests: 2, failed: 1 });
  });

  test("an unload ends what is being written, and its child", async () => {
    await using real = await createRealManager(["one"]);
    const stream = await startStream(real, "one");
    const { pid = 0 } = real.manager.loaded()[0]?.engine ?? {};
    const unloaded = real.manager.unload("one");
    await expect(collect(stream.events)).rejects.toMatchObject(failedWith("unloaded"));
    expect(await unloaded).toBe(true);
    expect(isAlive(pid)).toBe(false);
    expect(real.manager.loaded()).toEqual([]);
    stream.end();
    expect(await real.manager.unload("one")).toBe(false);
  });

  test("a broken file is an error each time, and served once it is mended", async () => {
    await using real = await createRealManager(["one"]);
    const path = join(real.folder, "one.gguf");
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, 5000));
    await expect(ask(real, "one")).rejects.toMatchObject(failedWith("load_failed"));
    await expect(ask(real, "one")).rejects.toMatchObject(failedWith("load_failed"));
    expect(real.count()).toBe(0);
    expect(real.manager.loaded()).toEqual([]);
    await writeFile(path, whole);
    expect(await ask(real, "one")).toEqual(done);
  });

  test("a file that is deleted while its model is loaded is missed at the next load only", async () => {
    await using real = await createRealManager(["one"]);
    await ask(real, "one");
    await rm(join(real.folder, "one.gguf"));
    expect(await ask(real, "one")).toEqual(done);
    await real.manager.unload("one");
    await expect(ask(real, "one")).rejects.toMatchObject({
      ...failedWith("load_failed"),
      message: expect.stringContaining("no such file") as unknown,
    });
  });

  test("a file that is gone when a dead child is started again takes the model out of the list", async () => {
    await using real = await createRealManager(["one"]);
    await ask(real, "one");
    await rm(join(real.folder, "one.gguf"));
    process.kill(real.manager.loaded()[0]?.engine.pid ?? 0, "SIGKILL");
    await eventually(() => real.manager.loaded()[0]?.engine.pid === undefined);
    await expect(ask(real, "one")).rejects.toMatchObject(failedWith("load_failed"));
    await eventually(() => real.manager.loaded().length === 0);
    expect(real.changes.at(-1)).toBe("failed one");
  });

  test("the same model under two ids is two processes, and both end with the manager", async () => {
    const real = await createRealManager(["one"]);
    const first = await real.manager.load("one", {}, { signal: never });
    const second = await real.manager.load("one", { id: "other" }, { signal: never });
    const pids = [first.engine.pid ?? 0, second.engine.pid ?? 0];
    expect(new Set(pids).size).toBe(2);
    expect(first.residentBytes).toBeGreaterThan(10e6);
    await real[Symbol.asyncDispose]();
    expect(pids.map(isAlive)).toEqual([false, false]);
    await expect(real.manager.use("one", chat)).rejects.toMatchObject(failedWith("unloaded"));
  });
});
