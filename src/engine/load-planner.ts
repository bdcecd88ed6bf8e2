/** What the model manager asks before a load: how, and what that takes. */
import { AgentError } from "../core/errors.ts";
import type { ModelEntry } from "./catalog.ts";
import { readModelShape } from "./gguf/shape.ts";
import { readMachine } from "./machine.ts";
import type { MachineFacts } from "./machine.ts";
import { estimateMemory } from "./memory-estimate.ts";
import { planModel } from "./model-file.ts";
import type { LoadPlan, LoadSettings, LoadWishes, PlanOptions } from "./model-file.ts";
import type { LoadOptions } from "./protocol.ts";

export interface LoadPlannerOptions {
  /** Most threads to compute with; absent: what suits model and machine. */
  threads?: number;
  /** Of every model, where its own configuration says nothing else. */
  defaults?: LoadWishes;
  machine?: () => Promise<MachineFacts>;
  mayQuantizeKv?: boolean;
  /** Models that rest are loaded: then memory that a model needs is had from them, before it is loaded with less. */
  othersCanGo?: () => boolean;
}

export interface LoadPlanner {
  /** What was asked for, and defaults. Throws `AgentError` `engine_failed` when the file cannot be a model. */
  planLoad(entry: ModelEntry, config: LoadWishes): Promise<LoadOptions>;
  /** Bytes, and the plan that fits the machine now. Throws `AgentError` `engine_failed` with reason `insufficient_memory`. */
  planMemory(plan: LoadOptions, entry: ModelEntry): Promise<{ requiredBytes: number; plan: LoadOptions }>;
}

export function createLoadPlanner(options: LoadPlannerOptions = {}): LoadPlanner {
  const { threads, defaults = {}, machine = readMachine, mayQuantizeKv = false, othersCanGo } = options;
  const wishes = new WeakMap<LoadOptions, LoadWishes>();

  const toSettings = (entry: ModelEntry, config: LoadWishes): LoadSettings => ({
    modelPath: entry.path,
    config,
    purpose: entry.purpose,
    ...(threads === undefined ? {} : { threads }),
    ...(entry.projectorPath === undefined ? {} : { projectorPath: entry.projectorPath }),
  });
  const plan = (settings: LoadSettings, machine: PlanOptions["machine"]): Promise<LoadPlan> =>
    planModel(settings, { mayQuantizeKv, ...(machine === undefined ? {} : { machine }) });

  return {
    planLoad: async (entry, config) => {
      const wanted = { ...defaults, ...config };
      const load = await plan(toSettings(entry, wanted), async () => ROOMY);
      wishes.set(load.options, wanted);
      return load.options;
    },
    planMemory: async (asked, entry) => {
      // One that we did not make was made smaller after a failure, and is kept as it is.
      const settings = toSettings(entry, wishes.get(asked) ?? toWishes(asked));
      let facts: MachineFacts = ROOMY;
      const { options: load, estimate } = await plan(settings, async () => (facts = await machine()));
      if (estimate === undefined) return { requiredBytes: await estimateTiny(asked, entry), plan: asked };
      if (othersCanGo?.() === true) {
        const best = await plan(settings, async () => emptied(facts)).catch(() => undefined);
        if (best !== undefined && isLess(load, best.options)) throw roomNeeded(entry, { best, facts });
      }
      return { requiredBytes: estimate.totalBytes, plan: load };
    },
  };
}

/** For what does not depend on memory. */
const ROOMY: MachineFacts = {
  totalBytes: 2 ** 50,
  availableBytes: 2 ** 50,
  cores: 1,
  gpus: [],
  unified: false,
};

/** The same machine with nothing else on it. */
function emptied(facts: MachineFacts): MachineFacts {
  const gpus = facts.gpus.map((gpu) => ({ ...gpu, freeBytes: gpu.totalBytes }));
  return { ...facts, availableBytes: facts.totalBytes, gpus };
}

function isLess(plan: LoadOptions, best: LoadOptions): boolean {
  return plan.contextTokens < best.contextTokens || (plan.gpuLayers ?? 0) < (best.gpuLayers ?? 0);
}

function toWishes({ contextTokens, slots, gpuLayers, flashAttention, speculation }: LoadOptions): LoadWishes {
  return {
    contextTokens,
    slots,
    ...(gpuLayers === undefined ? {} : { gpuLayers }),
    ...(flashAttention === undefined ? {} : { flashAttention }),
    ...(speculation === undefined ? {} : { speculation }),
  };
}

/** A header that cannot be read is told by the load. */
async function estimateTiny(
  { contextTokens, slots, sliceTokens }: LoadOptions,
  entry: ModelEntry,
): Promise<number> {
  const shape = await readModelShape(entry.path).catch(() => undefined);
  if (shape === undefined) return entry.sizeBytes;
  const within = Math.min(contextTokens, shape.maxContextTokens ?? contextTokens);
  return estimateMemory(shape, { contextTokens: within, slots, batchTokens: sliceTokens }).totalBytes;
}

function roomNeeded(
  { key }: ModelEntry,
  { best, facts }: { best: LoadPlan; facts: MachineFacts },
): AgentError {
  const requiredBytes = best.estimate?.totalBytes ?? 0;
  const availableBytes = facts.availableBytes + facts.gpus.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
  return new AgentError(
    "engine_failed",
    `\`${key}\` would have to be loaded with less than it could have, while others are loaded that rest. Unload one of them.`,
    { data: { reason: "insufficient_memory", model: key, requiredBytes, availableBytes } },
  );
}
