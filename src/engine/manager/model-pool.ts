/** Who asks for which model, and what is to be done so that they get it. */
import { isDeepStrictEqual } from "node:util";
import type { Catalog, ModelEntry } from "../catalog/catalog.ts";
import { engineFailed } from "../engine-failure.ts";
import type { ModelInstance } from "./loaded-model.ts";
import { unloadedError } from "./loaded-model.ts";
import { orAborted } from "./metered-engine.ts";
import { ModelLoader } from "./model-loader.ts";
import type { LoadOrder } from "./model-loader.ts";
import type {
  LoadConfig,
  LoadedModel,
  ModelManager,
  ModelManagerOptions,
  ModelUse,
  UnloadOptions,
  UseOptions,
} from "./model-manager.ts";
import { ModelRegistry } from "./model-registry.ts";
import type { ModelPurpose } from "../protocol.ts";

export class ModelPool implements ModelManager {
  readonly catalog: Catalog;
  readonly #registry: ModelRegistry;
  readonly #loader: ModelLoader;
  #closed = false;

  constructor(options: ModelManagerOptions) {
    this.catalog = options.catalog;
    this.#registry = new ModelRegistry(options);
    this.#loader = new ModelLoader(options, this.#registry);
  }

  loaded(): readonly LoadedModel[] {
    return this.#registry.all();
  }

  async use(name: string | undefined, options: UseOptions): Promise<ModelUse> {
    const { ttlMs } = options;
    checkTtl(ttlMs);
    const model = await this.#acquire(name, options);
    if (ttlMs !== undefined) model.setTtl(ttlMs);
    return createUse(model);
  }

  async load(name: string, config: LoadConfig, { signal }: { signal: AbortSignal }): Promise<LoadedModel> {
    checkTtl(config.ttlMs);
    signal.throwIfAborted();
    const entry = await this.#findEntry(name);
    checkConfig(entry, config);
    const id = config.id ?? entry.key;
    const model = await this.#acquireInstance({ id, entry, config, onDemand: false }, signal);
    try {
      checkSame(model, entry, config);
      model.onDemand = false;
      model.setTtl(config.ttlMs ?? null);
      await orAborted(model.engine.facts(), signal);
      return model;
    } finally {
      model.release();
      // Nobody wants it any more.
      if (signal.aborted && model.users === 0 && model.state === "loading") void this.unload(id);
    }
  }

  async unload(id: string, { graceMs = 0 }: UnloadOptions = {}): Promise<boolean> {
    const model = this.#registry.find(id);
    if (model === undefined) return false;
    const error = unloadedError(model.id);
    // One that waits for its users already does not wait any longer.
    if (model.ended !== undefined && graceMs === 0) await model.end(error);
    await this.#registry.end(model, { type: "unloaded", why: "asked" }, { error, graceMs });
    return true;
  }

  setTtl(id: string, ttlMs: number | null): boolean {
    checkTtl(ttlMs);
    const model = this.#registry.find(id);
    model?.setTtl(ttlMs);
    return model !== undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const models = this.#registry.all();
    await Promise.all([
      this.#loader.close(serverEnds()),
      ...models.map(async (model) => {
        if (model.ended !== undefined) await model.end(serverEnds());
        await this.#registry.end(model, { type: "unloaded", why: "shutdown" }, { error: serverEnds() });
      }),
    ]);
  }

  async #acquire(
    name: string | undefined,
    { purpose, signal, config: wanted = {} }: UseOptions,
  ): Promise<ModelInstance> {
    signal.throwIfAborted();
    const model = name === undefined ? this.#registry.newest(purpose) : this.#registry.find(name);
    if (model !== undefined && model.state !== "unloading") {
      checkPurpose(model.entry, purpose);
      return take(model);
    }
    const fits = ({ id, entry }: LoadOrder): boolean =>
      name === undefined ? entry.purpose === purpose : id === name;
    const entry =
      model?.entry ??
      this.#loader.findPending(fits)?.entry ??
      (name === undefined ? await this.#firstEntry(purpose) : await this.#findEntry(name));
    checkPurpose(entry, purpose);
    const id = model?.id ?? this.#loader.findPending(fits)?.id ?? entry.key;
    const config = model?.config ?? wanted;
    return this.#acquireInstance({ id, entry, config, onDemand: true }, signal);
  }

  /** What is there is taken, what goes is waited for, what is missing is loaded. */
  async #acquireInstance(order: LoadOrder, signal: AbortSignal): Promise<ModelInstance> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#closed) throw serverEnds();
      const model =
        this.#registry.get(order.id) ?? (order.onDemand ? this.#registry.find(order.id) : undefined);
      if (model === undefined) return this.#loader.acquire(order, signal);
      if (model.state !== "unloading") return take(model);
      await orAborted(model.ended ?? Promise.resolve(), signal);
    }
  }

  async #findEntry(name: string): Promise<ModelEntry> {
    const entry = await this.catalog.find(name);
    if (entry !== undefined) return entry;
    const why = await this.catalog.explain?.(name);
    if (why !== undefined)
      throw engineFailed("load_failed", `The model \`${name}\` cannot be used: ${why}`, { model: name });
    const known = (await this.catalog.list()).map(({ key }) => `\`${key}\``);
    const list =
      known.length === 0 ? "none so far" : `${known.slice(0, 20).join(", ")}${known.length > 20 ? " …" : ""}`;
    const message = `There is no model \`${name}\` here. There is: ${list}.`;
    throw engineFailed("model_not_found", message, { model: name });
  }

  async #firstEntry(purpose: ModelPurpose): Promise<ModelEntry> {
    const entry = (await this.catalog.list()).find((one) => one.purpose === purpose);
    if (entry !== undefined) return entry;
    const what = purpose === "embedding" ? "embedding model" : "model";
    throw engineFailed("model_not_found", `There is no ${what} here, and the request names none.`);
  }
}

function take(model: ModelInstance): ModelInstance {
  model.take();
  return model;
}

function createUse(model: ModelInstance): ModelUse {
  let released = false;
  const release = (): void => {
    if (released) return;
    released = true;
    model.release();
  };
  return { model, release, [Symbol.dispose]: release };
}

function checkPurpose({ key, purpose }: ModelEntry, wanted: ModelPurpose): void {
  if (purpose === wanted) return;
  const message =
    wanted === "embedding"
      ? `\`${key}\` is a language model; it makes no embeddings. Name an embedding model.`
      : `\`${key}\` makes embeddings; it cannot write. Name a language model.`;
  throw engineFailed("unsupported", message, { model: key });
}

/** llama.cpp keeps no more apart in one context (`LLAMA_MAX_SEQ`). */
const MOST_SLOTS = 256;

/** What was asked for is there or refused; an engine would make it less, or say nothing of use. */
function checkConfig({ key }: ModelEntry, { id, slots }: LoadConfig): void {
  if (id?.trim() === "")
    throw engineFailed("invalid_request", "The `id` is empty. Give one that clients can name.");
  if (slots !== undefined && slots > MOST_SLOTS) {
    const message = `\`slots\` is ${slots}, and a model serves at most ${MOST_SLOTS} requests at the same time.`;
    throw engineFailed("invalid_request", message, { model: key });
  }
}

/** An id that is taken means its model as it is; anything else would be a surprise for those who use it. */
function checkSame(
  { id, entry, plan, config: known }: ModelInstance,
  wanted: ModelEntry,
  config: LoadConfig,
): void {
  if (entry.path !== wanted.path) {
    const message = `The id \`${id}\` belongs to another model, \`${entry.key}\`. Give another \`id\`, or unload that one.`;
    throw engineFailed("invalid_request", message, { model: id });
  }
  for (const field of ["contextTokens", "slots", "gpuLayers", "flashAttention"] as const) {
    if (config[field] === undefined || [plan[field], known[field]].includes(config[field])) continue;
    const message = `\`${id}\` is loaded already, with \`${field}\` \`${String(plan[field])}\` and not \`${String(config[field])}\`. Unload it first, or give another \`id\`.`;
    throw engineFailed("invalid_request", message, { model: id });
  }
  const { speculation } = config;
  if (speculation === undefined || isDeepStrictEqual(speculation, plan.speculation)) return;
  const message = `\`${id}\` is loaded already, and guesses ${plan.speculation === undefined ? "no tokens" : "tokens in another way"}. Unload it first, or give another \`id\`.`;
  throw engineFailed("invalid_request", message, { model: id });
}

function checkTtl(ttlMs: number | null | undefined): void {
  if (ttlMs === undefined || ttlMs === null || ttlMs >= 0) return;
  const message = `The TTL is \`${ttlMs}\` ms; it has to be 0 or more, or null for never.`;
  throw engineFailed("invalid_request", message);
}

function serverEnds(): Error {
  return engineFailed("unloaded", "The server ends; nothing is loaded any more.");
}
