import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memoryBudget, planFit } from "../../src/engine/plan/fit.ts";
import type { FitPlan, FitRequest } from "../../src/engine/plan/fit.ts";
import { readModelShape } from "../../src/engine/gguf/shape.ts";
import type { ModelShape } from "../../src/engine/gguf/shape.ts";
import type { MachineFacts } from "../../src/engine/plan/machine.ts";
import { offloadableLayers } from "../../src/engine/plan/memory-estimate.ts";
import { planLoad, planModel } from "../../src/engine/plan/model-file.ts";
import { toModelSpec, writeGguf } from "./_gguf.ts";

const GIB = 2 ** 30;
let folder: string;
let path: string;
let shape: ModelShape;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-fit-"));
  path = join(folder, "Llama-8B-Q4_K_M.gguf");
  const measures = { layers: 32, embedding: 4096, feedForward: 14_336, heads: 32, kvHeads: 8 };
  await writeGguf(path, toModelSpec({ ...measures, vocabulary: 128_256, context: 131_072, type: 12 }));
  shape = await readModelShape(path);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function machineOf(ramGib: number, ...gpuGib: number[]): MachineFacts {
  const gpus = gpuGib.map((size) => ({
    vendor: "nvidia" as const,
    name: "GPU",
    totalBytes: size * GIB,
    freeBytes: size * GIB,
  }));
  return { totalBytes: ramGib * GIB, availableBytes: ramGib * GIB, cores: 8, gpus, unified: false };
}

function planned(machine: MachineFacts, wanted: FitRequest = {}): FitPlan {
  const plan = planFit(shape, machine, wanted);
  if (!plan.fits) throw new Error(`it does not fit: ${JSON.stringify(plan)}`);
  return plan;
}

const all = (): number => offloadableLayers(shape);

describe("the plan", () => {
  test("is two slots and all layers where the GPU is large", () => {
    expect(planned(machineOf(32, 24))).toMatchObject({ contextTokens: 32_768, slots: 2, gpuLayers: all() });
  });

  test("gives up the second slot before anything else", () => {
    expect(planned(machineOf(32, 12))).toMatchObject({ contextTokens: 32_768, slots: 1, gpuLayers: all() });
  });

  test("keeps the context in fewer bits before that, where the engine can", () => {
    expect(planned(machineOf(32, 12), { mayQuantizeKv: true })).toMatchObject({ slots: 2, kvType: "q8_0" });
  });

  test("prefers all layers on the GPU to a longer context, as long as that is long enough", () => {
    const plan = planned(machineOf(32, 8.5));
    expect(plan.gpuLayers).toBe(all());
    expect(plan.contextTokens).toBeGreaterThanOrEqual(16_384);
    expect(plan.contextTokens).toBeLessThan(32_768);
  });

  test("puts what layers fit on the GPU when not all do", () => {
    const plan = planned(machineOf(32, 6));
    expect(plan.contextTokens).toBe(32_768);
    expect(plan.gpuLayers).toBeGreaterThan(0);
    expect(plan.gpuLayers).toBeLessThan(all());
    const more = planFit(shape, machineOf(32, 6), { slots: 1, gpuLayers: plan.gpuLayers + 1 });
    expect(more.fits && more.contextTokens === plan.contextTokens).toBe(false);
  });

  test("shrinks the context where there is only little memory, but not below 4,096", () => {
    const plan = planned(machineOf(6));
    expect(plan.contextTokens).toBeGreaterThanOrEqual(4096);
    expect(plan.contextTokens).toBeLessThan(16_384);
    expect(plan).toMatchObject({ gpuLayers: 0, slots: 1 });
    expect(planFit(shape, machineOf(5.2))).toMatchObject({ fits: false, pool: "ram" });
  });

  test("uses a second slot without a GPU only where memory is ample", () => {
    expect(planned(machineOf(16)).slots).toBe(1);
    expect(planned(machineOf(64)).slots).toBe(2);
  });

  test("adds up several GPUs", () => {
    expect(planned(machineOf(32, 8, 8))).toMatchObject({ gpuLayers: all(), contextTokens: 32_768 });
  });

  test("counts memory that GPU and processor share once", () => {
    const apple: MachineFacts = { ...machineOf(16, 12), unified: true };
    const plan = planned(apple);
    expect(plan.estimate.totalBytes).toBeLessThanOrEqual(memoryBudget(apple).ram);
  });

  test("never takes more than the budget, whatever the machine", () => {
    for (let ram = 1; ram <= 40; ram += 3) {
      for (let gpu = 0; gpu <= 24; gpu += 1.5) {
        const machine = gpu === 0 ? machineOf(ram) : machineOf(ram, gpu);
        const plan = planFit(shape, machine);
        const budget = memoryBudget(machine);
        if (!plan.fits) continue;
        expect(plan.estimate.ram.totalBytes).toBeLessThanOrEqual(budget.ram);
        expect(plan.estimate.gpu.totalBytes).toBeLessThanOrEqual(budget.gpu);
        expect(plan.contextTokens).toBeGreaterThanOrEqual(4096);
      }
    }
  });
});

describe("what was asked for", () => {
  test("is kept", () => {
    const wanted = { contextTokens: 2048, slots: 3, gpuLayers: 5 };
    expect(planned(machineOf(64, 24), wanted)).toMatchObject(wanted);
    expect(planned(machineOf(64, 24), { gpuLayers: "max" }).gpuLayers).toBe(all());
    expect(planned(machineOf(64, 24), { gpuLayers: 0 }).estimate.gpu.totalBytes).toBe(0);
  });

  test("is never longer than what the model was trained for", () => {
    const short = { ...shape, maxContextTokens: 2048 };
    const plan = planFit(short, machineOf(64), { contextTokens: 100_000 });
    expect(plan).toMatchObject({ fits: true, contextTokens: 2048 });
    expect(planFit(short, machineOf(64))).toMatchObject({ contextTokens: 2048 });
  });

  test("is refused with the numbers and what would fit when it does not", () => {
    const refused = planFit(shape, machineOf(12), { contextTokens: 131_072 });
    if (refused.fits) throw new Error("it fits");
    expect(refused.pool).toBe("ram");
    expect(refused.requiredBytes).toBeGreaterThan(refused.availableBytes);
    expect(planned(machineOf(12), { contextTokens: refused.largestContextTokens }).fits).toBe(true);
    const longer = { contextTokens: refused.largestContextTokens + 256 };
    expect(planFit(shape, machineOf(12), longer).fits).toBe(false);
    const gpu = planFit(shape, machineOf(64, 4), { gpuLayers: "max" });
    expect(gpu).toMatchObject({ fits: false, pool: "gpu" });
  });
});

describe("the load of a file", () => {
  const settings = (config: FitRequest & { gpuLayers?: number }) => ({ modelPath: path, threads: 1, config });

  test("follows the plan for this machine", async () => {
    const machine = async (): Promise<MachineFacts> => machineOf(32, 6);
    const { options, estimate } = await planModel({ modelPath: path, threads: 1 }, { machine });
    expect(options).toMatchObject({ contextTokens: 32_768, slots: 1, gpu: "auto", sliceTokens: 256 });
    expect(options.gpuLayers).toBeGreaterThan(0);
    expect(estimate?.ram.totalBytes).toBeGreaterThan(GIB);
    const asked = settings({ contextTokens: 4096, gpuLayers: 0, flashAttention: false });
    expect(await planLoad(asked, { machine })).toMatchObject({
      contextTokens: 4096,
      shrinkToFit: false,
      gpu: false,
      gpuLayers: 0,
      flashAttention: false,
    });
  });

  test("leaves a GPU that nobody told about to the library", async () => {
    const options = await planLoad({ modelPath: path }, { machine: async () => machineOf(64) });
    expect(options.gpu).toBe("auto");
    expect(options.gpuLayers).toBeUndefined();
  });

  test("is refused when it cannot fit", async () => {
    const planning = planLoad(settings({ contextTokens: 100_000 }), { machine: async () => machineOf(8) });
    await expect(planning).rejects.toMatchObject({
      code: "engine_failed",
      message: expect.stringMatching(/needs \d+\.\d\d GB of memory.*With a context of \d+ tokens it fits/),
      data: { reason: "insufficient_memory", requiredBytes: expect.any(Number), availableBytes: 7.5 * GIB },
    });
  });

  test("asks nothing of the machine for a tiny model", async () => {
    const tiny = join(folder, "tiny.gguf");
    const measures = { layers: 1, embedding: 64, feedForward: 64, heads: 2, kvHeads: 2 };
    await writeGguf(tiny, toModelSpec({ ...measures, vocabulary: 100, context: 512 }));
    const machine = async (): Promise<MachineFacts> => {
      throw new Error("asked");
    };
    expect(await planLoad({ modelPath: tiny }, { machine })).toMatchObject({
      slots: 2,
      gpu: false,
      threads: 1,
    });
  });

  test("refuses what is no model by itself", async () => {
    const projector = join(folder, "mmproj.gguf");
    await writeGguf(projector, {
      metadata: { "general.architecture": "clip" },
      tensors: [{ name: "v.weight", dimensions: [30_000_000] }],
    });
    await expect(planLoad({ modelPath: projector })).rejects.toThrow(/projector/);
    const cut = join(folder, "cut.gguf");
    await writeFile(cut, Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(60_000_000)]));
    await expect(planLoad({ modelPath: cut })).rejects.toMatchObject({ data: { reason: "load_failed" } });
  });
});
