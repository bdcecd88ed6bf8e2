/**
 * Which models are loaded: loads with the first request, one load however many ask; unloads what rested long enough, or longest when
 * memory is needed for another; never what is in use.
 */
import type { Catalog, ModelEntry } from "../catalog/catalog.ts";
import type { Engine } from "../engine.ts";
import { ModelPool } from "./model-pool.ts";
import type { LoadOptions, ModelPurpose, Speculation } from "../protocol.ts";

/** How a model is to be loaded; what is absent suits the model and the machine. */
export interface LoadConfig {
  contextTokens?: number;
  slots?: number;
  gpuLayers?: number;
  flashAttention?: boolean;
  speculation?: Speculation;
  /** Rest after which it is unloaded; `null`: never, which is the default of `load`. */
  ttlMs?: number | null;
  /** What clients call this instance; default the model's key. */
  id?: string;
}

export type ModelState = "loading" | "ready" | "unloading";

export interface LoadedModel {
  /** What clients call it. */
  readonly id: string;
  readonly entry: ModelEntry;
  readonly plan: LoadOptions;
  readonly engine: Engine;
  readonly state: ModelState;
  /** A request loaded it, and not `load`. */
  readonly onDemand: boolean;
  readonly ttlMs: number | null;
  readonly loadedAt: Date;
  /** When it is unloaded unless it is used before; absent while it is in use, and without a TTL. */
  readonly expiresAt?: Date | undefined;
  /** Who uses it just now. */
  readonly users: number;
  /** What it takes of the memory budget: as planned, or what its process was seen to take where that is more. 0: not known. */
  readonly residentBytes: number;
  /** Counted since the load. */
  stats(): ModelStats;
}

export interface ModelStats {
  requests: number;
  failed: number;
  /** Requests that have a slot, and those that wait for one. */
  active: number;
  queued: number;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  /** Of the newest requests; absent before the first one. */
  promptTokensPerSecond?: number;
  completionTokensPerSecond?: number;
  /** Time from request to first token, in ms, of the newest requests. */
  firstTokenMs?: { p50: number; p95: number };
  /** Tokens in the fullest slot, as the newest requests left it; to be compared with the window of one slot. */
  contextUsed?: number;
}

export interface UseOptions {
  purpose: ModelPurpose;
  /** A new TTL for it, from the end of this use on; 0: unloaded then at once; `null`: never. */
  ttlMs?: number | null;
  /** How it is loaded where it is not; what is loaded already stays as it is. */
  config?: Pick<LoadConfig, "contextTokens">;
  signal: AbortSignal;
}

export interface ModelUse extends Disposable {
  readonly model: LoadedModel;
  /** Until then the model stays loaded. More than once does nothing. */
  release(): void;
}

/** Something happened to a model; for logs. */
export type ModelChange = { model: LoadedModel } & (
  | { type: "loading" }
  | { type: "ready"; loadMs: number }
  | { type: "failed"; error: Error }
  /** Its process died; the next request starts it again. */
  | { type: "crashed" }
  | { type: "evicted"; for: string }
  | { type: "unloaded"; why: "asked" | "idle" | "shutdown" }
);

export interface UnloadOptions {
  /** How long to wait for those who use it; absent: not at all. Who comes meanwhile gets it loaded anew. */
  graceMs?: number;
}

export interface ModelManager extends AsyncDisposable {
  readonly catalog: Catalog;
  /** Those that have their place in memory, in the order in which they got it. */
  loaded(): readonly LoadedModel[];
  /**
   * By the id of an instance, else by what the catalog finds. Without a name: of the models for this purpose the one that was loaded
   * last, else the first of the catalog. Returns when the model has its place and loads: its engine's `facts()` waits for the load.
   * Throws `AgentError` `engine_failed` with reason `model_not_found`, `insufficient_memory`, `queue_full` (too many wait for memory),
   * `load_failed` or `unsupported` (the model does not serve this purpose), and the signal's reason.
   */
  use(name: string | undefined, options: UseOptions): Promise<ModelUse>;
  /**
   * Loads and waits for it; the same model under another id is loaded once more. Throws like `use`, what the load throws, and
   * `engine_failed` with reason `invalid_request` when the id belongs to a model that was loaded otherwise.
   */
  load(name: string, config: LoadConfig, options: { signal: AbortSignal }): Promise<LoadedModel>;
  /** Waits for its end. What runs on it fails with reason `unloaded`. False: no such instance. */
  unload(id: string, options?: UnloadOptions): Promise<boolean>;
  /** Counted from its last use on. False: no such instance. */
  setTtl(id: string, ttlMs: number | null): boolean;
}

/** What a model will take, said before it is loaded. */
export interface MemoryPlan {
  requiredBytes: number;
  /** Of these, on a GPU; default none. */
  gpuBytes?: number;
  /** In place of the plan that was asked about; absent: that one. */
  plan?: LoadOptions;
}

export interface ModelManagerOptions {
  catalog: Catalog;
  /** Makes the engine that runs this plan; nothing is loaded yet. */
  createEngine: (plan: LoadOptions, entry: ModelEntry) => Engine;
  log: (line: string) => void;
  /** For what a load does not say itself. */
  defaults?: Pick<LoadConfig, "contextTokens" | "slots" | "gpuLayers" | "flashAttention">;
  /**
   * How a model is loaded. Absent, with `planMemory` absent too: as `planModel` of `model-file.ts` says for this machine, and models that
   * rest go for what it asks for. Asked again after each eviction; see `planMemory` for what it may throw.
   */
  planLoad?: (entry: ModelEntry, config: LoadConfig) => Promise<LoadOptions>;
  /**
   * What that takes, asked right after `planLoad`. Throws `engine_failed` with reason `insufficient_memory` when the machine has no room:
   * then the model that rested longest goes and both are asked again. Absent: nothing is known and nothing counted.
   */
  planMemory?: (plan: LoadOptions, entry: ModelEntry) => Promise<MemoryPlan>;
  /** What all models together may take; absent: no limit. */
  memoryBudgetBytes?: number;
  /** How many may be loaded; absent: no limit. */
  maxModels?: number;
  /** TTL of what requests load. Default 60 minutes. */
  ttlMs?: number | null;
  /** Models that may wait for memory. Default 16. */
  waitingLimit?: number;
  /** How long one waits for memory that others use. Default 60 s. */
  waitLimitMs?: number;
  onChange?: (change: ModelChange) => void;
}

export function createModelManager(options: ModelManagerOptions): ModelManager {
  return new ModelPool(options);
}
