/** What every loaded model does and takes, for people and programs. */
import { readModelShape } from "../../engine/gguf/shape.ts";
import { estimateMemory, offloadableLayers } from "../../engine/plan/memory-estimate.ts";
import type { PoolEstimate } from "../../engine/plan/memory-estimate.ts";
import type { Backend } from "../../engine/engine.ts";
import type { LoadedModel, ModelState, ModelStats } from "../../engine/manager/model-manager.ts";
import type { SlotState } from "../../engine/protocol.ts";
import { readGpuBytes, readResidentBytes } from "../../engine/manager/process-memory.ts";

export interface ModelReport {
  id: string;
  model: string;
  path: string;
  backend: Backend;
  state: ModelState;
  sizeBytes: number;
  /** Tokens of a slot, and the most that one of them holds now. */
  contextTokens: number;
  contextUsed: number;
  slots: number;
  users: number;
  ttlMs: number | null;
  /** Until it is unloaded; absent while it is in use, and without a TTL. */
  ttlLeftMs?: number;
  loadedAt: string;
  stats: ModelStats;
  /** Share of prompt tokens that a slot held already, 0 to 1. */
  cacheHit?: number;
  pid?: number;
  ramBytes?: number;
  vramBytes?: number;
}

export async function reportModels(
  models: readonly LoadedModel[],
  now: Date,
): Promise<readonly ModelReport[]> {
  const gpu = models.length === 0 ? new Map<number, number>() : await readGpuBytes();
  return Promise.all(models.map((model) => reportModel(model, { now, gpu })));
}

async function reportModel(
  model: LoadedModel,
  { now, gpu }: { now: Date; gpu: ReadonlyMap<number, number> },
): Promise<ModelReport> {
  const { id, entry, engine, plan, state, users, ttlMs, expiresAt, loadedAt } = model;
  const { pid } = engine;
  const stats = model.stats();
  const slots = state === "ready" ? await readSlotsNow(model) : [];
  const ramBytes = await readResidentBytes(pid);
  const vramBytes = pid === undefined ? undefined : gpu.get(pid);
  const contextTokens = state === "ready" ? (await engine.facts()).contextTokens : plan.contextTokens;
  return {
    id,
    model: entry.key,
    path: entry.path,
    backend: engine.backend,
    state,
    sizeBytes: entry.sizeBytes,
    contextTokens,
    contextUsed: Math.max(0, ...slots.map(({ tokens }) => tokens)),
    slots: plan.slots,
    users,
    ttlMs,
    ...(expiresAt === undefined ? {} : { ttlLeftMs: Math.max(0, expiresAt.getTime() - now.getTime()) }),
    loadedAt: loadedAt.toISOString(),
    stats,
    ...(stats.promptTokens === 0 ? {} : { cacheHit: stats.cachedTokens / stats.promptTokens }),
    ...(pid === undefined ? {} : { pid }),
    ...(ramBytes === undefined ? {} : { ramBytes }),
    ...(vramBytes === undefined ? {} : { vramBytes }),
  };
}

/** Bytes, as planned; `gpuLayers` of `layers` lie on a GPU. */
export interface LoadEstimate extends PoolEstimate {
  gpuLayers: number;
  layers: number;
}

export type LoadReport = ModelReport & { estimate?: LoadEstimate };

/** What a model takes that was loaded just now. Without an estimate where its file cannot be read any more. */
export async function reportLoad(model: LoadedModel, now: Date): Promise<LoadReport> {
  const [[report], estimate] = await Promise.all([
    reportModels([model], now),
    estimateLoad(model).catch(() => undefined),
  ]);
  return { ...(report as ModelReport), ...(estimate === undefined ? {} : { estimate }) };
}

async function estimateLoad({ engine, entry, plan }: LoadedModel): Promise<LoadEstimate> {
  const [facts, shape] = await Promise.all([engine.facts(), readModelShape(entry.path)]);
  const { contextTokens, slots, gpuLayers = 0 } = facts;
  const { flashAttention } = plan;
  const {
    ram: _ram,
    gpu: _gpu,
    ...whole
  } = estimateMemory(shape, {
    contextTokens,
    slots,
    gpuLayers,
    batchTokens: plan.sliceTokens,
    ...(flashAttention === undefined ? {} : { flashAttention }),
  });
  return { ...whole, gpuLayers, layers: offloadableLayers(shape) };
}

/** A model that dies while it is asked is reported without its slots. */
async function readSlotsNow({ engine }: LoadedModel): Promise<readonly SlotState[]> {
  try {
    return await engine.slots();
  } catch {
    return [];
  }
}
