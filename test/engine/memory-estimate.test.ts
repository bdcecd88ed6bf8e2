/** Our estimate against llama.cpp's own: it reserves everything for a file whose weights are holes, without allocating it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getLlama, GgufInsights, LlamaLogLevel, readGgufFileInfo } from "node-llama-cpp";
import type { Llama } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readModelShape } from "../../src/engine/gguf/shape.ts";
import { estimateMemory, offloadableLayers } from "../../src/engine/plan/memory-estimate.ts";
import { toModelSpec, writeGguf } from "./_gguf.ts";
import type { GgufSpec, Measures } from "./_gguf.ts";
import { compressedSpec, hybridSpec, mambaSpec } from "./_gguf-kinds.ts";

const LLAMA_8B: Measures = {
  layers: 32,
  embedding: 4096,
  feedForward: 14_336,
  heads: 32,
  kvHeads: 8,
  vocabulary: 128_256,
  context: 131_072,
  type: 12,
};
const SHAPES: Readonly<Record<string, Measures>> = {
  "Llama 3.2 1B": { ...LLAMA_8B, layers: 16, embedding: 2048, feedForward: 8192, tied: true },
  "Llama 3.1 8B": LLAMA_8B,
  "Qwen3 8B": {
    ...LLAMA_8B,
    architecture: "qwen3",
    layers: 36,
    feedForward: 12_288,
    vocabulary: 151_936,
    context: 40_960,
    headLength: 128,
    headNorms: true,
  },
  "Qwen3 30B A3B": {
    ...LLAMA_8B,
    architecture: "qwen3moe",
    layers: 48,
    embedding: 2048,
    feedForward: 768,
    kvHeads: 4,
    vocabulary: 151_936,
    headLength: 128,
    headNorms: true,
    experts: 128,
    metadata: { "qwen3moe.expert_feed_forward_length": 768, "qwen3moe.expert_used_count": 8 },
  },
  "Gemma 3 4B": {
    ...LLAMA_8B,
    architecture: "gemma3",
    layers: 34,
    embedding: 2560,
    feedForward: 10_240,
    heads: 8,
    kvHeads: 4,
    vocabulary: 262_144,
    headLength: 256,
    headNorms: true,
    postNorms: true,
    tied: true,
    metadata: { "gemma3.attention.sliding_window": 1024 },
  },
};
const SETTINGS = [
  { contextTokens: 4096, slots: 1, batchTokens: 256, flashAttention: true },
  { contextTokens: 32_768, slots: 2, batchTokens: 256, flashAttention: true },
  { contextTokens: 16_384, slots: 1, batchTokens: 512, flashAttention: false },
];

let folder: string;
let llama: Llama;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-estimate-"));
  llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 1 });
});

afterAll(async () => {
  await llama.dispose();
  await rm(folder, { recursive: true, force: true });
});

const SPECS: Readonly<Record<string, GgufSpec>> = {
  ...Object.fromEntries(Object.entries(SHAPES).map(([name, measures]) => [name, toModelSpec(measures)])),
  Mamba: mambaSpec(),
  "a hybrid of attention and short histories": hybridSpec(),
  "compressed keys and values": compressedSpec(),
};

describe("the estimate of memory", () => {
  test.each(Object.keys(SPECS))("is within 3 % of what llama.cpp reserves for %s", async (name) => {
    const path = join(folder, "model.gguf");
    await writeGguf(path, SPECS[name] ?? {});
    const shape = await readModelShape(path);
    const insights = await GgufInsights.from(await readGgufFileInfo(path), llama);
    const weights = await insights.estimateModelResourceRequirementsV2({ gpuLayers: 0, useMmap: false });
    // Models without attention, or with keys of unusual lengths, are not evaluated without flash attention there.
    const settings = SHAPES[name] === undefined ? SETTINGS.slice(0, 2) : SETTINGS;
    for (const setting of settings) {
      const { weightBytes, kvBytes, computeBytes } = estimateMemory(shape, setting);
      expect(weightBytes).toBe(weights.cpuRam);
      const context = await insights.estimateContextResourceRequirementsV2({
        contextSize: setting.contextTokens,
        sequences: setting.slots,
        batchSize: setting.batchTokens,
        flashAttention: setting.flashAttention ? "auto" : false,
        modelGpuLayers: 0,
        useMmap: false,
      });
      const ratio = (kvBytes + computeBytes) / context.cpuRam;
      expect(ratio).toBeGreaterThan(0.97);
      expect(ratio).toBeLessThan(1.03);
    }
  });

  test("moves layers to the GPU and loses none of them", async () => {
    const path = join(folder, "offload.gguf");
    await writeGguf(path, toModelSpec(LLAMA_8B));
    const shape = await readModelShape(path);
    const setting = { contextTokens: 8192, slots: 1 };
    const none = estimateMemory(shape, setting);
    expect(none.gpu.totalBytes).toBe(0);
    let last = none;
    for (let gpuLayers = 1; gpuLayers <= offloadableLayers(shape); gpuLayers += 1) {
      const some = estimateMemory(shape, { ...setting, gpuLayers });
      expect(some.weightBytes).toBe(none.weightBytes);
      expect(some.kvBytes).toBe(none.kvBytes);
      expect(some.gpu.weightBytes).toBeGreaterThan(last.gpu.weightBytes);
      last = some;
    }
    expect(last.ram).toMatchObject({ kvBytes: 0, weightBytes: shape.inputBytes });
    expect(estimateMemory(shape, { ...setting, gpuLayers: 999 })).toEqual(last);
  });

  test("has a matrix that is input and output twice when the output lies on the GPU", async () => {
    const path = join(folder, "tied.gguf");
    await writeGguf(path, toModelSpec({ ...LLAMA_8B, tied: true }));
    const shape = await readModelShape(path);
    const { weightBytes } = estimateMemory(shape, { contextTokens: 4096, slots: 1, gpuLayers: 1 });
    expect(weightBytes).toBe(shape.weightBytes + shape.inputBytes);
  });

  test("takes fewer bits of context for less", async () => {
    const path = join(folder, "kv.gguf");
    await writeGguf(path, toModelSpec(LLAMA_8B));
    const shape = await readModelShape(path);
    const kvBytes = (["f32", "f16", "q8_0", "q4_0"] as const).map(
      (kvType) => estimateMemory(shape, { contextTokens: 8192, slots: 1, kvType }).kvBytes / 2 ** 20,
    );
    expect(kvBytes).toEqual([2048, 1024, 544, 288]);
  });
});
