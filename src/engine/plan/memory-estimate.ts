/**
 * How much memory a model takes when it is loaded so. The rules are those by which llama.cpp reserves memory (`llama-model.cpp`,
 * `llama-kv-cache.cpp`, and the largest stage of its graph in `llama-graph.cpp`).
 */
import type { LayerShape } from "../gguf/layers.ts";
import type { ModelShape } from "../gguf/shape.ts";

export type KvType = "f32" | "f16" | "q8_0" | "q4_0";

export interface EstimateOptions {
  /** For each slot. */
  contextTokens: number;
  slots: number;
  /** As llama.cpp counts them: the output first, then the last layer, and so on. Absent: none. */
  gpuLayers?: number;
  /** Default `f16`. */
  kvType?: KvType;
  /** Tokens evaluated at once; default 256. */
  batchTokens?: number;
  /** Default true: off, attention needs memory that grows with context, heads and batch. */
  flashAttention?: boolean;
}

/** Bytes. */
export interface PoolEstimate {
  weightBytes: number;
  kvBytes: number;
  computeBytes: number;
  runtimeBytes: number;
  totalBytes: number;
}

/** Bytes. `ram` and `gpu` are what lies where; the rest is both together. */
export interface MemoryEstimate extends PoolEstimate {
  ram: PoolEstimate;
  gpu: PoolEstimate;
}

const MIB = 2 ** 20;
/** llama.cpp reserves contexts in whole steps. */
const CONTEXT_STEP = 256;
const FLOAT_BYTES = 4;
const KV_BYTES: Readonly<Record<KvType, number>> = { f32: 4, f16: 2, q8_0: 34 / 32, q4_0: 18 / 32 };
/** The process and its libraries, and what a GPU's driver takes for itself. */
const PROCESS_BYTES = 100 * MIB;
const DRIVER_BYTES = 450 * MIB;

export const DEFAULT_BATCH_TOKENS = 256;

/** Layers that can lie on a GPU: those of the model, and the output. */
export function offloadableLayers({ layers }: ModelShape): number {
  return layers.length + 1;
}

export function estimateMemory(shape: ModelShape, options: EstimateOptions): MemoryEstimate {
  const { slots, kvType = "f16" } = options;
  const cells = toCells(shape, options);
  const onGpu = Math.min(Math.max(0, options.gpuLayers ?? 0), offloadableLayers(shape));
  const firstOnGpu = offloadableLayers(shape) - onGpu;
  const kvOf = (layer: LayerShape): number => slots * layerKvBytes(layer, { cells, kvType });
  const gpuLayers = shape.layers.slice(firstOnGpu);
  const ramLayers = shape.layers.slice(0, firstOnGpu);
  const layerWeights = sum(gpuLayers, ({ weightBytes }) => weightBytes);
  // A matrix that is input and output at once is there twice when the output lies on the GPU.
  const gpuWeights = onGpu === 0 ? 0 : shape.outputBytes + shape.tiedBytes + layerWeights;
  const ramWeights = shape.weightBytes - gpuWeights + (onGpu === 0 ? 0 : shape.tiedBytes);
  const compute = toComputeBytes(shape, { ...options, cells });
  const logits = slots * shape.vocabulary * FLOAT_BYTES;
  const ram = toPool({
    weightBytes: Math.max(0, ramWeights),
    kvBytes: sum(ramLayers, kvOf),
    computeBytes: (onGpu === 0 ? compute.graph : compute.inputs) + logits,
    runtimeBytes: PROCESS_BYTES,
  });
  const gpu = toPool({
    weightBytes: gpuWeights,
    kvBytes: onGpu === 0 ? 0 : sum(gpuLayers, kvOf),
    // Layers in RAM are evaluated on the GPU too when there are many tokens; their weights pass through it one by one.
    computeBytes: onGpu === 0 ? 0 : compute.graph + (firstOnGpu > 0 ? shape.largestBytes : 0),
    runtimeBytes: onGpu === 0 ? 0 : DRIVER_BYTES,
  });
  return { ...addPools(ram, gpu), ram, gpu };
}

interface Cells {
  full: number;
  /** For each layer with a window. */
  windowed: (windowTokens: number) => number;
  batch: number;
}

function toCells(shape: ModelShape, options: EstimateOptions): Cells {
  const { contextTokens, slots, batchTokens = DEFAULT_BATCH_TOKENS } = options;
  const full = roundUp(contextTokens, CONTEXT_STEP);
  const hasWindow = shape.layers.some(({ windowTokens }) => windowTokens !== undefined);
  const batch = Math.max(Math.min(batchTokens, full), slots) + (hasWindow ? 1 : 0);
  return { full, batch, windowed: (tokens) => Math.min(full, roundUp(tokens + batch, CONTEXT_STEP)) };
}

/** For one slot. */
function layerKvBytes(layer: LayerShape, { cells, kvType }: { cells: Cells; kvType: KvType }): number {
  const { keyLength, valueLength, windowTokens, stateBytes } = layer;
  const kept = windowTokens === undefined ? cells.full : cells.windowed(windowTokens);
  return (keyLength + valueLength) * KV_BYTES[kvType] * kept + stateBytes;
}

/** The graph is as large as its largest stage: attention, feed-forward or output. */
function toComputeBytes(
  shape: ModelShape,
  { cells, flashAttention = true }: EstimateOptions & { cells: Cells },
): { graph: number; inputs: number } {
  const { batch } = cells;
  const { embeddingLength: embedding, heads, expertsUsed } = shape;
  const windows = shape.layers.flatMap(({ windowTokens }) =>
    windowTokens === undefined ? [] : [windowTokens],
  );
  const seen = shape.encoder ? batch : cells.full;
  const masked = seen + (windows[0] === undefined ? 0 : cells.windowed(windows[0]));
  const mask = masked * batch * (flashAttention ? 2 : FLOAT_BYTES);
  const scores = flashAttention ? 0 : heads * seen * batch * FLOAT_BYTES;
  const activations = (elements: number): number => elements * batch * FLOAT_BYTES;
  const expertLength = shape.expertLength > 0 ? shape.expertLength : shape.feedForwardLength;
  const experts = expertsUsed * (2 * expertLength + embedding);
  const stages = [
    mask + scores + activations((flashAttention ? 12 : 6) * embedding),
    mask + activations(3 * embedding + Math.max(2 * shape.feedForwardLength, experts)),
    activations((shape.encoder ? 0 : shape.vocabulary) + 3 * embedding),
  ];
  return { graph: Math.max(...stages), inputs: mask + activations(embedding) };
}

function toPool(parts: Omit<PoolEstimate, "totalBytes">): PoolEstimate {
  const rounded = {
    weightBytes: Math.ceil(parts.weightBytes),
    kvBytes: Math.ceil(parts.kvBytes),
    computeBytes: Math.ceil(parts.computeBytes),
    runtimeBytes: Math.ceil(parts.runtimeBytes),
  };
  const { weightBytes, kvBytes, computeBytes, runtimeBytes } = rounded;
  return { ...rounded, totalBytes: weightBytes + kvBytes + computeBytes + runtimeBytes };
}

function addPools(one: PoolEstimate, other: PoolEstimate): PoolEstimate {
  return toPool({
    weightBytes: one.weightBytes + other.weightBytes,
    kvBytes: one.kvBytes + other.kvBytes,
    computeBytes: one.computeBytes + other.computeBytes,
    runtimeBytes: one.runtimeBytes + other.runtimeBytes,
  });
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
