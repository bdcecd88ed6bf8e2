/** What a model will be loaded with and what that takes, just now and with what others would give back. */
import type { ModelEntry } from "../catalog/catalog.ts";
import { engineFailed, failureReason } from "../engine-failure.ts";
import type { MachineFacts } from "../plan/machine.ts";
import type { MemoryUse } from "./memory-budget.ts";
import { planModel } from "../plan/model-file.ts";
import type { LoadConfig, ModelManagerOptions } from "./model-manager.ts";
import type { LoadOptions } from "../protocol.ts";

export type PlanAnswer =
  | ({ type: "fits"; options: LoadOptions } & MemoryUse)
  /** `afterEviction`: it may fit when models go that rest. */
  | { type: "short"; error: Error; afterEviction: boolean };

/** `idle`: what models take that could go. Throws what is wrong with the file. */
export type ModelPlanner = (entry: ModelEntry, config: LoadConfig, idle: MemoryUse) => Promise<PlanAnswer>;

export function createModelPlanner({
  planLoad,
  planMemory,
  defaults,
}: Pick<ModelManagerOptions, "planLoad" | "planMemory" | "defaults">): ModelPlanner {
  if (planLoad === undefined && planMemory === undefined)
    return (entry, config, idle) => planNow(entry, { ...defaults, ...config }, idle);
  return (entry, config) =>
    orShort(true, async () => {
      const wanted = await (planLoad ?? planAsConfigured)(entry, { ...defaults, ...config });
      const answer = await planMemory?.(wanted, entry);
      const { requiredBytes = 0, gpuBytes = 0, plan: options = wanted } = answer ?? {};
      return { type: "fits", options, requiredBytes, gpuBytes };
    });
}

/** As suits model and machine, with what is configured put over it. The machine is asked once: its GPU's tool may take a while. */
async function planNow(entry: ModelEntry, config: LoadConfig, idle: MemoryUse): Promise<PlanAnswer> {
  return orShort(false, async () => {
    let now: MachineFacts | undefined;
    const { options, estimate } = await planModel(toSettings(entry, config), {
      machine: async () => {
        const { readMachine } = await import("../plan/machine.ts");
        now = await readMachine();
        return withIdle(now, idle);
      },
    });
    if (estimate === undefined || now === undefined)
      return { type: "fits", options, requiredBytes: 0, gpuBytes: 0 };
    const { memoryBudget } = await import("../plan/fit.ts");
    const budget = memoryBudget(now);
    const { ram, gpu, totalBytes } = estimate;
    const use = { requiredBytes: totalBytes, gpuBytes: gpu.totalBytes };
    const isRoom = ram.totalBytes <= budget.ram && gpu.totalBytes <= budget.gpu;
    // Without models that could go it was planned for what there is, and only rounding can tell otherwise.
    if (isRoom || idle.requiredBytes === 0) return { type: "fits", options, ...use };
    const message = `\`${entry.key}\` does not fit beside the models that are loaded.`;
    const error = engineFailed("insufficient_memory", message, {
      requiredBytes: totalBytes,
      availableBytes: budget.ram + budget.gpu,
    });
    return { type: "short", error, afterEviction: true };
  });
}

async function planAsConfigured(entry: ModelEntry, config: LoadConfig): Promise<LoadOptions> {
  return (await planModel(toSettings(entry, config))).options;
}

function toSettings(entry: ModelEntry, config: LoadConfig): Parameters<typeof planModel>[0] {
  const { path: modelPath, purpose, projectorPath } = entry;
  return { modelPath, config, purpose, ...(projectorPath === undefined ? {} : { projectorPath }) };
}

/** The machine as it would be without the models that rest. */
function withIdle(machine: MachineFacts, { requiredBytes, gpuBytes }: MemoryUse): MachineFacts {
  const ramBytes = requiredBytes - gpuBytes;
  const { totalBytes, availableBytes } = machine;
  return {
    ...machine,
    availableBytes: Math.min(totalBytes, availableBytes + ramBytes),
    gpus: machine.gpus.map((gpu, at) =>
      at === 0 ? { ...gpu, freeBytes: Math.min(gpu.totalBytes, gpu.freeBytes + gpuBytes) } : gpu,
    ),
  };
}

async function orShort(afterEviction: boolean, work: () => Promise<PlanAnswer>): Promise<PlanAnswer> {
  try {
    return await work();
  } catch (thrown) {
    if (failureReason(thrown) !== "insufficient_memory" || !(thrown instanceof Error)) throw thrown;
    return { type: "short", error: thrown, afterEviction };
  }
}
