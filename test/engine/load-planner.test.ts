import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog.ts";
import type { ModelEntry } from "../../src/engine/catalog.ts";
import { createLoadPlanner } from "../../src/engine/load-planner.ts";
import type { MachineFacts } from "../../src/engine/machine.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { toModelSpec, writeGguf } from "./_gguf.ts";

const GIB = 2 ** 30;
let folder: string;
let large: ModelEntry;
let practice: ModelEntry;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-planner-"));
  const measures = { layers: 32, embedding: 4096, feedForward: 14_336, heads: 32, kvHeads: 8 };
  const path = join(folder, "large.gguf");
  await writeGguf(path, toModelSpec({ ...measures, vocabulary: 128_256, context: 131_072, type: 12 }));
  large = await toFileEntry(path);
  practice = await toFileEntry(PRACTICE_MODEL);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const machineOf =
  (freeGib: number, totalGib = freeGib) =>
  async (): Promise<MachineFacts> => ({
    totalBytes: totalGib * GIB,
    availableBytes: freeGib * GIB,
    cores: 4,
    gpus: [],
    unified: false,
  });

describe("the planner of loads", () => {
  test("says what was asked for before it looks at the machine, and then what fits", async () => {
    const planner = createLoadPlanner({ machine: machineOf(6), threads: 1, defaults: { slots: 1 } });
    const asked = await planner.planLoad(large, {});
    expect(asked).toMatchObject({ contextTokens: 32_768, slots: 1, threads: 1 });
    const { plan, requiredBytes } = await planner.planMemory(asked, large);
    expect(plan.contextTokens).toBeLessThan(32_768);
    expect(requiredBytes).toBeGreaterThan(4 * GIB);
    expect(requiredBytes).toBeLessThan(6 * GIB);
  });

  test("keeps what the configuration of a model says", async () => {
    const planner = createLoadPlanner({ machine: machineOf(6), defaults: { contextTokens: 4096 } });
    const asked = await planner.planLoad(large, { contextTokens: 32_768 });
    await expect(planner.planMemory(asked, large)).rejects.toMatchObject({
      data: { reason: "insufficient_memory" },
    });
    const less = await planner.planLoad(large, {});
    expect((await planner.planMemory(less, large)).plan.contextTokens).toBe(4096);
  });

  test("takes a plan that somebody made smaller as it is", async () => {
    const planner = createLoadPlanner({ machine: machineOf(32) });
    const asked = await planner.planLoad(large, {});
    const { plan } = await planner.planMemory({ ...asked, contextTokens: 5120, slots: 1 }, large);
    expect(plan).toMatchObject({ contextTokens: 5120, slots: 1 });
  });

  test("asks for the memory of models that rest before it plans with less", async () => {
    let rest = true;
    const planner = createLoadPlanner({ machine: machineOf(6, 32), othersCanGo: () => rest });
    const asked = await planner.planLoad(large, {});
    await expect(planner.planMemory(asked, large)).rejects.toMatchObject({
      data: { reason: "insufficient_memory" },
    });
    rest = false;
    expect((await planner.planMemory(asked, large)).plan.contextTokens).toBeLessThan(32_768);
  });

  test("knows about what a tiny model takes without asking the machine", async () => {
    const machine = async (): Promise<MachineFacts> => {
      throw new Error("asked");
    };
    const planner = createLoadPlanner({ machine });
    const asked = await planner.planLoad(practice, {});
    const { plan, requiredBytes } = await planner.planMemory(asked, practice);
    expect(plan).toBe(asked);
    expect(requiredBytes).toBeGreaterThan(practice.sizeBytes);
    expect(requiredBytes).toBeLessThan(200_000_000);
  });
});
