/**
 * Which models are loaded: loads with the first request, one load however many ask; unloads what rested long enough, or longest when
 * memory is needed for another; never what is in use.
 */
import { AgentError } from "../core/errors.ts";
import type { Catalog, ModelEntry } from "./catalog.ts";
import type { Engine } from "./engine.ts";
import { planLoad } from "./model-file.ts";
import type { LoadOptions, ModelPurpose, Speculation } from "./protocol.ts";

/** How a model is to be loaded; what is absent suits the model and the machine. */
export interface LoadConfig {
  contextTokens?: number;
  slots?: number;
  gpuLayers?: number;
  flashAttention?: boolean;
  speculation?: Speculation;
  /** Rest after which it is unloaded; `null`: never. */
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
  readonly expiresAt?: Date;
  /** Who uses it just now. */
  readonly users: number;
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
}

export interface UseOptions {
  purpose: ModelPurpose;
  /** A new TTL for it, from the end of this use on; `null`: never. */
  ttlMs?: number | null;
  signal: AbortSignal;
}

export interface ModelUse extends Disposable {
  readonly model: LoadedModel;
  /** Until then the model stays loaded. More than once does nothing. */
  release(): void;
}

export interface ModelManager extends AsyncDisposable {
  readonly catalog: Catalog;
  loaded(): readonly LoadedModel[];
  /**
   * Without a name, the model that is loaded, or the only one there is. Returns when the model has its place and loads: its engine's
   * `facts()` waits for the load. Throws `AgentError` `engine_failed` with reason `model_not_found`, `insufficient_memory`,
   * `load_failed` or `unsupported` (the model does not serve this purpose), and the signal's reason.
   */
  use(name: string | undefined, options: UseOptions): Promise<ModelUse>;
  /** Loads and waits for it; the same model under another id is loaded once more. Throws like `use`, and what the load throws. */
  load(name: string, config: LoadConfig, options: { signal: AbortSignal }): Promise<LoadedModel>;
  /** Waits for its end. What runs on it fails with reason `unloaded`. False: no such instance. */
  unload(id: string): Promise<boolean>;
}

export interface ModelManagerOptions {
  catalog: Catalog;
  /** Makes the engine that runs this plan; nothing is loaded yet. */
  createEngine: (plan: LoadOptions, entry: ModelEntry) => Engine;
  log: (line: string) => void;
}

export function createModelManager({ catalog, createEngine }: ModelManagerOptions): ModelManager {
  const loaded = new Map<string, LoadedModel>();

  const load = async (name: string, config: LoadConfig, onDemand: boolean): Promise<LoadedModel> => {
    const entry = await catalog.find(name);
    if (entry === undefined) throw notFound(name);
    const known = loaded.get(config.id ?? entry.key);
    if (known !== undefined) return known;
    const plan = await planLoad({ modelPath: entry.path });
    const engine = createEngine(plan, entry);
    const model: LoadedModel = {
      id: config.id ?? entry.key,
      entry,
      plan,
      engine,
      state: "ready",
      onDemand,
      ttlMs: config.ttlMs ?? null,
      loadedAt: new Date(),
      users: 0,
      stats: () => ({
        requests: 0,
        failed: 0,
        active: 0,
        queued: 0,
        promptTokens: 0,
        cachedTokens: 0,
        completionTokens: 0,
      }),
    };
    loaded.set(model.id, model);
    engine.start();
    return model;
  };

  return {
    catalog,
    loaded: () => [...loaded.values()],
    use: async (name, { signal }) => {
      signal.throwIfAborted();
      const wanted = name ?? [...loaded.keys()][0] ?? (await catalog.list())[0]?.key ?? "";
      const model = loaded.get(wanted) ?? (await load(wanted, {}, true));
      return { model, release: () => {}, [Symbol.dispose]: () => {} };
    },
    load: async (name, config) => {
      const model = await load(name, config, false);
      await model.engine.facts();
      return model;
    },
    unload: async (id) => {
      const model = loaded.get(id);
      loaded.delete(id);
      await model?.engine[Symbol.asyncDispose]();
      return model !== undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...loaded.values()].map(({ engine }) => engine[Symbol.asyncDispose]()));
      loaded.clear();
    },
  };
}

function notFound(name: string): AgentError {
  return new AgentError("engine_failed", `There is no model \`${name}\` here.`, {
    data: { reason: "model_not_found", model: name },
  });
}
