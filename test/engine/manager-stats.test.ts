import { copyFile, mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { createModelPlanner } from "../../src/engine/manager/model-planner.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { findRoom } from "../../src/engine/manager/memory-budget.ts";
import type { Resident } from "../../src/engine/manager/memory-budget.ts";
import { createMeteredEngine } from "../../src/engine/manager/metered-engine.ts";
import { createStatsMeter } from "../../src/engine/manager/model-stats.ts";
import type { RequestMeter, StatsMeter } from "../../src/engine/manager/model-stats.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { GenerateEvent } from "../../src/engine/protocol.ts";
import { collect, LONG, never } from "./_manager.ts";

interface Clock {
  ms: number;
}

function createMeter(): { meter: StatsMeter; clock: Clock } {
  const clock: Clock = { ms: 0 };
  return { meter: createStatsMeter(() => clock.ms), clock };
}

const TIMINGS = { promptTokens: 100, cachedTokens: 60, promptMs: 20, completionTokens: 10, completionMs: 50 };

function play(request: RequestMeter, clock: Clock, { firstMs = 20, slot = 0 } = {}): void {
  request.onEvent({ type: "accepted", promptTokens: 100 });
  request.onEvent({ type: "progress", processed: 60, total: 100, cached: 60, elapsedMs: 0 });
  clock.ms += firstMs;
  request.onEvent({ type: "text", text: "a" });
  request.onEvent({ type: "text", text: "b" });
  request.onEvent({ type: "done", reason: "end", slot, timings: TIMINGS });
}

describe("the figures of a model", () => {
  test("tell what waits from what runs, and sum up what ended", () => {
    const { meter, clock } = createMeter();
    const [first, second] = [meter.startRequest(), meter.startRequest()];
    expect(meter.stats()).toMatchObject({ requests: 2, active: 0, queued: 2 });
    play(first, clock);
    expect(meter.stats()).toMatchObject({ active: 1, queued: 1, promptTokens: 0 });
    first.end({ failed: false });
    second.end({ failed: true });
    second.end({ failed: true });
    expect(meter.stats()).toEqual({
      requests: 2,
      failed: 1,
      active: 0,
      queued: 0,
      promptTokens: 100,
      cachedTokens: 60,
      completionTokens: 10,
      promptTokensPerSecond: 2000,
      completionTokensPerSecond: 200,
      firstTokenMs: { p50: 20, p95: 20 },
      contextUsed: 110,
    });
  });

  test("count what a client got that left in the middle", () => {
    const { meter, clock } = createMeter();
    const request = meter.startRequest();
    request.onEvent({ type: "progress", processed: 80, total: 100, cached: 30, elapsedMs: 1 });
    clock.ms = 5;
    request.onEvent({ type: "text", text: "a" });
    request.end({ failed: false });
    expect(meter.stats()).toMatchObject({
      promptTokens: 80,
      cachedTokens: 30,
      completionTokens: 1,
      failed: 0,
    });
  });

  test("have percentiles and rates of the newest requests only, and nothing before the first", () => {
    const { meter, clock } = createMeter();
    expect(meter.stats()).not.toHaveProperty("firstTokenMs");
    for (let at = 0; at < 128; at += 1) play(meter.startRequest(), clock, { firstMs: 1000 });
    for (let ms = 1; ms <= 128; ms += 1) play(meter.startRequest(), clock, { firstMs: ms, slot: ms % 3 });
    expect(meter.stats().firstTokenMs).toEqual({ p50: 64, p95: 122 });
  });

  test("count a generation whose reader stops as none that failed, and one that breaks as failed", async () => {
    const events: GenerateEvent[] = [
      { type: "accepted", promptTokens: 1 },
      { type: "text", text: "a" },
    ];
    const engine = {
      facts: async () => ({}),
      generate: async function* generate() {
        yield* events;
        throw new Error("broke");
      },
      embed: async () => ({ vectors: [], promptTokens: 4 }),
    } as unknown as Engine;
    const metered = createMeteredEngine(engine, { onFailure: () => {} });
    metered.settle({});
    for await (const event of metered.generate(LONG, { signal: never })) if (event.type === "text") break;
    expect(metered.meter.stats()).toMatchObject({ requests: 1, failed: 0, active: 0, completionTokens: 1 });
    await expect(collect(metered.generate(LONG, { signal: never }))).rejects.toThrow("broke");
    await metered.embed({ inputs: ["x"] }, { signal: never });
    expect(metered.meter.stats()).toMatchObject({ requests: 3, failed: 1, active: 0, promptTokens: 4 });
    const gone = AbortSignal.abort(new Error("left"));
    await expect(collect(metered.generate(LONG, { signal: gone }))).rejects.toThrow("left");
    expect(metered.meter.stats()).toMatchObject({ requests: 4, failed: 1, queued: 0 });
  });
});

describe("the plan of a model", () => {
  test("says what a large one takes, or how much is missing; no more is free than the machine has", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lmagent-plan-"));
    const path = join(folder, "large.gguf");
    await copyFile(PRACTICE_MODEL, path);
    // Nothing but its header is read, so the rest may be a hole.
    await truncate(path, 60_000_000);
    const plan = createModelPlanner({});
    const none = { requiredBytes: 0, gpuBytes: 0 };
    const [entry, huge] = [await toFileEntry(path), { contextTokens: 2048, slots: 1_000_000 }];
    expect(await plan(entry, { contextTokens: 1024 }, none)).toMatchObject({
      type: "fits",
      options: { contextTokens: 1024 },
      requiredBytes: expect.any(Number) as unknown,
    });
    const error = { data: expect.objectContaining({ reason: "insufficient_memory" }) as unknown };
    for (const idle of [none, { requiredBytes: 1e15, gpuBytes: 0 }])
      expect(await plan(entry, huge, idle)).toMatchObject({ type: "short", afterEviction: false, error });
    await rm(folder, { recursive: true });
  });
});

describe("room for a model", () => {
  const resident = (lastUse: number, more: Partial<Resident> = {}): Resident => ({
    residentBytes: 10,
    users: 0,
    onDemand: true,
    lastUse,
    state: "ready",
    ...more,
  });
  const room = { requiredBytes: 10, budgetBytes: 30, maxModels: 3 };

  test("is there, or made by as few as are needed, the longest rest first", () => {
    const [old, young] = [resident(1), resident(2)];
    expect(findRoom([young, old], room)).toEqual({ type: "evict", models: [] });
    expect(findRoom([young, old], { ...room, requiredBytes: 20 })).toEqual({ type: "evict", models: [old] });
    expect(findRoom([young, old], { ...room, maxModels: 1 })).toEqual({
      type: "evict",
      models: [old, young],
    });
  });

  test("is waited for where those would have to go who are in use, load or end", () => {
    const blocked = [
      resident(1, { users: 1 }),
      resident(2, { state: "loading" }),
      resident(3, { state: "unloading" }),
    ];
    expect(findRoom(blocked, room)).toEqual({ type: "wait" });
    expect(findRoom([...blocked, resident(4)], { ...room, budgetBytes: 40, maxModels: 4 })).toEqual({
      type: "evict",
      models: [resident(4)],
    });
  });

  test("never comes for what is larger than all of it", () => {
    expect(findRoom([], { ...room, requiredBytes: 31 })).toEqual({ type: "never" });
    expect(findRoom([], { ...room, maxModels: 0 })).toEqual({ type: "never" });
  });
});
