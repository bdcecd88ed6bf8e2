/** How a model is loaded so that it fits this machine, or the numbers that show why it does not. */
import type { ModelShape } from "../gguf/shape.ts";
import type { MachineFacts } from "./machine.ts";
import { estimateMemory, offloadableLayers } from "./memory-estimate.ts";
import type { EstimateOptions, KvType, MemoryEstimate } from "./memory-estimate.ts";

/** What the user asked for is kept or refused, never made less. */
export interface FitRequest {
  contextTokens?: number;
  slots?: number;
  /** `max`: all of them. */
  gpuLayers?: number | "max";
  kvType?: KvType;
  flashAttention?: boolean;
  batchTokens?: number;
  /** The engine can keep the context in fewer bits, so that may be tried. */
  mayQuantizeKv?: boolean;
}

export interface FitPlan {
  fits: true;
  contextTokens: number;
  slots: number;
  gpuLayers: number;
  kvType: KvType;
  estimate: MemoryEstimate;
}

export interface FitRefusal {
  fits: false;
  /** The pool that is too small. */
  pool: "ram" | "gpu";
  requiredBytes: number;
  availableBytes: number;
  /** 0: not even the smallest would fit. */
  largestContextTokens: number;
  /** Of what was asked for. */
  estimate: MemoryEstimate;
}

/** More than this is not reserved unless it is asked for. */
const DEFAULT_CONTEXT_TOKENS = 32_768;
/** An agent's prompt does not fit into less. */
const LEAST_CONTEXT_TOKENS = 4_096;
/** All layers on the GPU with so much are better than a longer context with some of them in RAM. */
const GOOD_CONTEXT_TOKENS = 16_384;
const CONTEXT_STEP = 256;
const GIB = 2 ** 30;

/** What models may take of each pool: other programs need some too, and estimates are a little off. */
export function memoryBudget({ totalBytes, availableBytes, gpus }: MachineFacts): {
  ram: number;
  gpu: number;
} {
  const ram = availableBytes - Math.min(GIB, totalBytes / 16);
  const gpu = gpus.reduce(
    (sum, one) => sum + Math.max(0, one.freeBytes - Math.min(GIB, one.totalBytes / 8)),
    0,
  );
  return { ram: Math.max(0, Math.floor(ram)), gpu: Math.floor(gpu) };
}

/**
 * Tried in this order, and the first that fits is taken: all layers on the GPU; the context in 8 bits, where the engine can;
 * one slot instead of two; where no context was asked for, one of at least 16,384 tokens with all layers on the GPU; as many
 * layers as fit on the GPU, the rest in RAM; a smaller context, never below 4,096 tokens.
 */
export function planFit(
  shape: ModelShape,
  machine: MachineFacts,
  wanted: FitRequest = {},
): FitPlan | FitRefusal {
  const fitter = createFitter(shape, machine, wanted);
  const { fullContext, leastContext } = fitter;
  const slots = wanted.slots ?? defaultSlots(fitter, machine);
  const kvTypes = toKvTypes(wanted);
  for (const oneSlot of wanted.slots === undefined && slots > 1 ? [slots, 1] : [slots]) {
    for (const kvType of kvTypes) {
      const plan = fitter.whole({ contextTokens: fullContext, slots: oneSlot, kvType });
      if (plan !== undefined) return plan;
    }
  }
  const least = { slots: wanted.slots ?? 1, kvType: kvTypes.at(-1) ?? "f16" };
  const good = Math.max(leastContext, Math.min(fullContext, GOOD_CONTEXT_TOKENS));
  return (
    fitter.longest({ ...least, from: good, layers: fitter.mostLayers }) ??
    fitter.partly({ ...least, contextTokens: fullContext }) ??
    fitter.longest({ ...least, from: leastContext }) ??
    fitter.refuse(least)
  );
}

function toKvTypes({ kvType, mayQuantizeKv = false }: FitRequest): readonly KvType[] {
  if (kvType !== undefined) return [kvType];
  return mayQuantizeKv ? ["f16", "q8_0"] : ["f16"];
}

/** A context belongs to one slot, so each one more costs as much memory again. */
function defaultSlots(fitter: Fitter, { availableBytes }: MachineFacts): number {
  if (fitter.mostLayers > 0) return 2;
  const two = fitter.estimate({ contextTokens: fitter.fullContext, slots: 2, kvType: "f16", gpuLayers: 0 });
  return two.ram.totalBytes <= availableBytes / 2 ? 2 : 1;
}

interface Setting {
  slots: number;
  kvType: KvType;
}

interface Fitter {
  /** What was asked for or is the default, and the least that it may become. */
  fullContext: number;
  leastContext: number;
  /** Layers on the GPU when all are that may be. */
  mostLayers: number;
  estimate(setting: Setting & { contextTokens: number; gpuLayers: number }): MemoryEstimate;
  whole(setting: Setting & { contextTokens: number }): FitPlan | undefined;
  /** With as many layers on the GPU as fit. */
  partly(setting: Setting & { contextTokens: number }): FitPlan | undefined;
  /** The longest context from here on; with these layers, or as many as fit. */
  longest(setting: Setting & { from: number; layers?: number }): FitPlan | undefined;
  refuse(setting: Setting): FitRefusal;
}

function createFitter(shape: ModelShape, machine: MachineFacts, wanted: FitRequest): Fitter {
  const budget = memoryBudget(machine);
  const isWithin = createBudgetCheck(machine);
  const trained = shape.maxContextTokens ?? DEFAULT_CONTEXT_TOKENS;
  const fullContext = Math.min(trained, wanted.contextTokens ?? DEFAULT_CONTEXT_TOKENS);
  const leastContext =
    wanted.contextTokens === undefined ? Math.min(trained, LEAST_CONTEXT_TOKENS) : fullContext;
  const all = offloadableLayers(shape);
  const asked = wanted.gpuLayers === "max" ? all : wanted.gpuLayers;
  const mostLayers = Math.min(all, asked ?? (machine.gpus.length > 0 ? all : 0));
  const fewestLayers = asked === undefined ? 0 : mostLayers;

  const estimate: Fitter["estimate"] = (setting) =>
    estimateMemory(shape, { ...toOptions(wanted), ...setting });
  const attempt = (setting: Setting & { contextTokens: number; gpuLayers: number }): FitPlan | undefined => {
    const found = estimate(setting);
    return isWithin(found) ? { fits: true, ...setting, estimate: found } : undefined;
  };
  const partly: Fitter["partly"] = (setting) => {
    const whole = attempt({ ...setting, gpuLayers: mostLayers });
    if (whole !== undefined || fewestLayers === mostLayers) return whole;
    // Each layer less on the GPU is one more in RAM, so only the most that the GPU holds can do.
    let [low, high] = [fewestLayers, mostLayers - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (estimate({ ...setting, gpuLayers: middle }).gpu.totalBytes <= budget.gpu) low = middle;
      else high = middle - 1;
    }
    return attempt({ ...setting, gpuLayers: low });
  };
  const longest: Fitter["longest"] = ({ from, layers, ...setting }) => {
    const at = (contextTokens: number): FitPlan | undefined =>
      layers === undefined
        ? partly({ ...setting, contextTokens })
        : attempt({ ...setting, contextTokens, gpuLayers: layers });
    return longestOf(at, from, fullContext);
  };
  return {
    fullContext,
    leastContext,
    mostLayers,
    estimate,
    whole: (setting) => attempt({ ...setting, gpuLayers: mostLayers }),
    partly,
    longest,
    refuse: (setting) => {
      const least = { ...setting, contextTokens: leastContext, gpuLayers: fewestLayers };
      const shorter = longestOf((contextTokens) => partly({ ...setting, contextTokens }), 1, leastContext);
      return toRefusal(estimate(least), machine, shorter?.contextTokens ?? 0);
    },
  };
}

function toOptions({
  flashAttention,
  batchTokens,
}: FitRequest): Pick<EstimateOptions, "flashAttention" | "batchTokens"> {
  return {
    ...(flashAttention === undefined ? {} : { flashAttention }),
    ...(batchTokens === undefined ? {} : { batchTokens }),
  };
}

function createBudgetCheck(machine: MachineFacts): (estimate: MemoryEstimate) => boolean {
  const budget = memoryBudget(machine);
  return ({ ram, gpu, totalBytes }) =>
    machine.unified
      ? totalBytes <= budget.ram && gpu.totalBytes <= budget.gpu
      : ram.totalBytes <= budget.ram && gpu.totalBytes <= budget.gpu;
}

/** By halving: what fits with a context fits with a shorter one. Whole steps, but for the bounds themselves. */
function longestOf(
  at: (contextTokens: number) => FitPlan | undefined,
  from: number,
  to: number,
): FitPlan | undefined {
  const whole = at(to);
  if (whole !== undefined) return whole;
  let best = at(from);
  let low = Math.ceil(from / CONTEXT_STEP);
  let high = Math.floor(to / CONTEXT_STEP);
  if (best === undefined) return undefined;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const plan = at(middle * CONTEXT_STEP);
    if (plan === undefined) high = middle - 1;
    else {
      best = plan;
      low = middle;
    }
  }
  return best;
}

function toRefusal(
  estimate: MemoryEstimate,
  machine: MachineFacts,
  largestContextTokens: number,
): FitRefusal {
  const budget = memoryBudget(machine);
  const needed = machine.unified ? estimate.totalBytes : estimate.ram.totalBytes;
  const refusal = { fits: false, largestContextTokens, estimate } as const;
  if (needed > budget.ram)
    return { ...refusal, pool: "ram", requiredBytes: needed, availableBytes: budget.ram };
  return { ...refusal, pool: "gpu", requiredBytes: estimate.gpu.totalBytes, availableBytes: budget.gpu };
}
