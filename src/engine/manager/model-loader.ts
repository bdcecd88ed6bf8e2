/** Gives a model its place: one at a time, after others had to go for it, and once more with less when memory was not enough. */
import { errorMessage } from "../../core/errors.ts";
import type { ModelEntry } from "../catalog/catalog.ts";
import type { Engine } from "../engine.ts";
import { engineFailed } from "../engine-failure.ts";
import { createLoadFailures, hasDied, isMemoryFailure, toSmallerPlan } from "./load-failures.ts";
import { createLoadQueue } from "./load-queue.ts";
import type { LoadQueue } from "./load-queue.ts";
import { ModelInstance, unloadedError } from "./loaded-model.ts";
import { findRoom, idleMemory, sumBytes, toEvictionOrder } from "./memory-budget.ts";
import type { RoomAnswer } from "./memory-budget.ts";
import { orAborted } from "./metered-engine.ts";
import type { LoadConfig, ModelManagerOptions } from "./model-manager.ts";
import { createModelPlanner } from "./model-planner.ts";
import type { ModelPlanner, PlanAnswer } from "./model-planner.ts";
import { toError } from "./model-registry.ts";
import type { ModelRegistry } from "./model-registry.ts";

const DEFAULT_TTL_MS = 60 * 60_000;
const DEFAULT_WAITING_LIMIT = 16;
const DEFAULT_WAIT_LIMIT_MS = 60_000;

export interface LoadOrder {
  id: string;
  entry: ModelEntry;
  config: LoadConfig;
  onDemand: boolean;
}

type Fitting = Extract<PlanAnswer, { type: "fits" }>;

/** Asked for, and without a place so far. */
interface Pending {
  order: LoadOrder;
  waiters: number;
  placed: Promise<ModelInstance>;
  resolve: (model: ModelInstance) => void;
  reject: (error: Error) => void;
  /** Nobody waits for it any more. */
  cancel: AbortController;
}

export class ModelLoader {
  readonly #options: ModelManagerOptions;
  readonly #registry: ModelRegistry;
  readonly #pending = new Map<string, Pending>();
  readonly #failures = createLoadFailures();
  readonly #queue: LoadQueue;
  readonly #plan: ModelPlanner;

  constructor(options: ModelManagerOptions, registry: ModelRegistry) {
    this.#options = options;
    this.#registry = registry;
    this.#plan = createModelPlanner(options);
    this.#queue = createLoadQueue(options.waitingLimit ?? DEFAULT_WAITING_LIMIT);
  }

  /** The newest one that waits for its place and fits. */
  findPending(fits: (order: LoadOrder) => boolean): LoadOrder | undefined {
    return [...this.#pending.values()].map(({ order }) => order).findLast(fits);
  }

  /**
   * A use of the model, which loads: who gets it has to release it. Orders for one id are one. Throws what keeps it from its place, and
   * the signal's reason.
   */
  async acquire(order: LoadOrder, signal: AbortSignal): Promise<ModelInstance> {
    const pending = this.#pending.get(order.id) ?? this.#begin(order);
    pending.waiters += 1;
    try {
      return await orAborted(pending.placed, signal);
    } catch (thrown) {
      if (signal.aborted) this.#leave(pending);
      throw thrown;
    }
  }

  /** No load goes on or begins after this. */
  async close(error: Error): Promise<void> {
    for (const { cancel } of this.#pending.values()) cancel.abort(error);
    await this.#queue.idle();
  }

  /** It had a place and lost it by a fault of its own. */
  async drop(model: ModelInstance, error: Error): Promise<void> {
    // Its end begins at once: who comes from now on gets another try, and not this failure.
    const first = this.#failures.add(model.id, model.entry.path, error);
    await this.#registry.end(model, { type: "failed", error }, { error, first });
  }

  #begin(order: LoadOrder): Pending {
    const pending = { order, waiters: 0, cancel: new AbortController() } as Pending;
    pending.placed = new Promise((resolve, reject) => Object.assign(pending, { resolve, reject }));
    pending.placed.catch(() => undefined);
    this.#pending.set(order.id, pending);
    this.#queue
      .run(() => this.#load(pending))
      .catch((thrown: unknown) => {
        this.#forget(pending);
        pending.reject(toError(thrown));
      });
    return pending;
  }

  #forget(pending: Pending): void {
    if (this.#pending.get(pending.order.id) === pending) this.#pending.delete(pending.order.id);
  }

  #leave(pending: Pending): void {
    pending.waiters -= 1;
    if (this.#pending.get(pending.order.id) !== pending) {
      // It got its place in this very moment, and with it our use.
      pending.placed.then(
        (model) => model.release(),
        () => undefined,
      );
    } else if (pending.waiters === 0) {
      this.#forget(pending);
      pending.cancel.abort();
    }
  }

  async #load(pending: Pending): Promise<void> {
    const { order, cancel } = pending;
    const { id, entry, onDemand } = order;
    cancel.signal.throwIfAborted();
    // Who loads by hand has looked at the error before.
    if (onDemand) await this.#failures.check(id, entry.path);
    const { options: plan, ...memory } = await this.#makeRoom(order, cancel.signal);
    cancel.signal.throwIfAborted();
    const engine = this.#options.createEngine(plan, entry);
    const { ttlMs = onDemand ? this.#defaultTtlMs() : null } = order.config;
    const model = new ModelInstance({
      ...order,
      plan,
      engine,
      ttlMs,
      memory,
      users: pending.waiters,
      onIdle: () => this.#registry.wake(),
      onExpired: (model) =>
        void this.#registry.end(model, { type: "unloaded", why: "idle" }, { error: unloadedError(model.id) }),
      onCrash: (model) => this.#registry.tell({ type: "crashed", model }),
      onLost: (model, thrown) => void this.drop(model, toError(thrown)),
    });
    this.#forget(pending);
    this.#registry.add(model);
    pending.resolve(model);
    await this.#finish(model, engine);
  }

  #defaultTtlMs(): number | null {
    const { ttlMs = DEFAULT_TTL_MS } = this.#options;
    return ttlMs;
  }

  async #finish(model: ModelInstance, engine: Engine): Promise<void> {
    const startedAt = performance.now();
    try {
      await this.#loadOrLess(model, engine);
      await model.measure();
      if (model.state !== "loading") return;
      this.#failures.remove(model.id);
      model.setReady();
      this.#registry.tell({ type: "ready", model, loadMs: performance.now() - startedAt });
    } catch (thrown) {
      // Unloaded while it loaded: that is said already.
      if (model.state === "loading") await this.drop(model, toError(thrown));
    }
  }

  async #loadOrLess(model: ModelInstance, engine: Engine): Promise<void> {
    const { plan, entry } = model;
    try {
      await start(engine, model.gone);
    } catch (thrown) {
      const smaller = toSmallerPlan(plan);
      if (model.gone.aborted || !isMemoryFailure(thrown)) throw thrown;
      if (smaller === undefined) throw hasDied(thrown) ? thrown : tooLarge(model, thrown);
      this.#options.log(
        `model ${model.id}: ${errorMessage(thrown)} Tried again with ${smaller.contextTokens} tokens of context instead of ${plan.contextTokens}.`,
      );
      await engine[Symbol.asyncDispose]();
      model.gone.throwIfAborted();
      const second = this.#options.createEngine(smaller, entry);
      model.plan = smaller;
      model.engine.replace(second);
      await start(second, model.gone).catch((again: unknown) => {
        throw isMemoryFailure(again) ? tooLarge(model, again) : again;
      });
      const config = { ...model.config, contextTokens: smaller.contextTokens };
      const planned = await this.#plan(entry, config, model.memory).catch(() => undefined);
      // What was planned for more is the best that is known of less, where nobody can tell.
      if (planned?.type === "fits") model.memory = planned;
    }
  }

  /** Returns when there is room, with what is to be loaded. */
  async #makeRoom({ id, entry, config }: LoadOrder, signal: AbortSignal): Promise<Fitting> {
    const endsAt = performance.now() + (this.#options.waitLimitMs ?? DEFAULT_WAIT_LIMIT_MS);
    for (;;) {
      signal.throwIfAborted();
      const planned = await this.#plan(entry, config, idleMemory(this.#registry.all()));
      await Promise.all(this.#registry.all().map((model) => model.measure()));
      const answer = this.#findRoom(planned);
      if (answer.type === "never") throw this.#refuse(entry, planned, "never");
      if (answer.type === "wait") {
        const idle = this.#idleCount();
        const isChanged = (): boolean => this.#idleCount() > idle || this.#findRoom(planned).type !== "wait";
        const limitMs = endsAt - performance.now();
        const changed = await this.#registry.until(isChanged, { limitMs, signal });
        if (!changed) throw this.#refuse(entry, planned, "wait");
      } else if (answer.models.length === 0 && planned.type === "fits") return planned;
      else for (const model of answer.models) await this.#evict(model, id);
    }
  }

  #idleCount(): number {
    return toEvictionOrder(this.#registry.all()).length;
  }

  #findRoom(planned: PlanAnswer): RoomAnswer<ModelInstance> {
    const residents = this.#registry.all();
    if (planned.type === "fits") {
      const { memoryBudgetBytes = Infinity, maxModels = Infinity } = this.#options;
      const { requiredBytes } = planned;
      return findRoom(residents, { requiredBytes, budgetBytes: memoryBudgetBytes, maxModels });
    }
    // The machine itself has no room: one after the other goes, until it has.
    const idle = toEvictionOrder(residents);
    const [first] = idle;
    if (first !== undefined && planned.afterEviction) return { type: "evict", models: [first] };
    return idle.length === residents.length ? { type: "never" } : { type: "wait" };
  }

  #evict(model: ModelInstance, id: string): Promise<void> {
    // Somebody took it while another one was ended.
    if (model.users > 0) return Promise.resolve();
    return this.#registry.end(model, { type: "evicted", for: id }, { error: unloadedError(model.id) });
  }

  #refuse(entry: ModelEntry, planned: PlanAnswer, why: "never" | "wait"): Error {
    if (planned.type === "short") return planned.error;
    const { requiredBytes } = planned;
    const residents = this.#registry.all();
    const { memoryBudgetBytes = Infinity } = this.#options;
    const availableBytes = why === "never" ? memoryBudgetBytes : memoryBudgetBytes - sumBytes(residents);
    const ids = residents.map(({ id }) => `\`${id}\``).join(", ");
    const message =
      why === "never"
        ? `The model \`${entry.key}\` takes ${toMegabytes(requiredBytes)}, more than the ${toMegabytes(memoryBudgetBytes)} that models may take here. Load it with a smaller context, or take a smaller quantization.`
        : `There is no room for the model \`${entry.key}\` while others are in use: ${ids}. Try again later, or unload one of them.`;
    return engineFailed("insufficient_memory", message, {
      requiredBytes,
      ...(Number.isFinite(availableBytes) && { availableBytes: Math.max(0, availableBytes) }),
    });
  }
}

async function start(engine: Engine, gone: AbortSignal): Promise<void> {
  gone.throwIfAborted();
  engine.start();
  await orAborted(engine.facts(), gone);
}

function tooLarge({ id, plan }: ModelInstance, thrown: unknown): Error {
  const message = `The model \`${id}\` does not fit into the memory that is free, with ${plan.contextTokens} tokens of context: ${errorMessage(thrown)} Unload others, load it with a smaller context, or take a smaller quantization.`;
  return engineFailed("insufficient_memory", message, { model: id });
}

function toMegabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000_000)} MB`;
}
