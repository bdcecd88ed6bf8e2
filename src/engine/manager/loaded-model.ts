/** One model in memory: who uses it, and when its rest is over. */
import type { ModelEntry } from "../catalog/catalog.ts";
import type { Engine } from "../engine.ts";
import { engineFailed, failureReason } from "../engine-failure.ts";
import { createMeteredEngine } from "./metered-engine.ts";
import type { MeteredEngine } from "./metered-engine.ts";
import type { LoadConfig, LoadedModel, ModelState, ModelStats } from "./model-manager.ts";
import { readResidentBytes } from "./process-memory.ts";
import type { MemoryUse } from "./memory-budget.ts";
import type { LoadOptions } from "../protocol.ts";

/** Longer waits would end at once. */
const TIMER_LIMIT_MS = 2 ** 31 - 1;
/** The last time that a `Date` can say. */
const LAST_TIME_MS = 8.64e15;

export interface ModelInstanceOptions {
  id: string;
  entry: ModelEntry;
  /** As it was asked for. */
  config: LoadConfig;
  plan: LoadOptions;
  memory: MemoryUse;
  engine: Engine;
  onDemand: boolean;
  ttlMs: number | null;
  /** Who waits for it already. */
  users: number;
  /** Nobody has used it for its TTL. */
  onExpired: (model: ModelInstance) => void;
  /** Its last user has gone, or it came out of use otherwise. */
  onIdle: () => void;
  onCrash: (model: ModelInstance) => void;
  /** After a crash it could not be loaded again. */
  onLost: (model: ModelInstance, error: unknown) => void;
}

export class ModelInstance implements LoadedModel {
  readonly id: string;
  readonly entry: ModelEntry;
  readonly config: LoadConfig;
  readonly engine: MeteredEngine;
  plan: LoadOptions;
  memory: MemoryUse;
  onDemand: boolean;
  loadedAt = new Date();
  lastUse = nextUse();
  state: ModelState = "loading";
  /** Set with the state `unloading`; resolves when its memory is free. */
  ended: Promise<void> | undefined;
  readonly #options: ModelInstanceOptions;
  readonly #gone = new AbortController();
  #ttlMs: number | null;
  #users: number;
  #measuredBytes = 0;
  /** As `performance.now()` tells it: a clock that is set must not keep a model for a day. */
  #expiresAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #crashedAt = 0;

  constructor(options: ModelInstanceOptions) {
    this.#options = options;
    this.id = options.id;
    this.entry = options.entry;
    this.config = options.config;
    this.plan = options.plan;
    this.memory = options.memory;
    this.onDemand = options.onDemand;
    this.#ttlMs = options.ttlMs;
    this.#users = options.users;
    this.engine = createMeteredEngine(options.engine, {
      onFailure: (thrown, startedAt) => this.#onFailure(thrown, startedAt),
    });
  }

  get users(): number {
    return this.#users;
  }

  get ttlMs(): number | null {
    return this.#ttlMs;
  }

  get expiresAt(): Date | undefined {
    if (this.#expiresAt === undefined) return undefined;
    return new Date(Math.min(LAST_TIME_MS, Math.round(Date.now() + this.#expiresAt - performance.now())));
  }

  /** Aborted when it is ended. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get residentBytes(): number {
    return Math.max(this.memory.requiredBytes, this.memory.gpuBytes + this.#measuredBytes);
  }

  get gpuBytes(): number {
    return this.memory.gpuBytes;
  }

  stats(): ModelStats {
    return this.engine.meter.stats();
  }

  setTtl(ttlMs: number | null): void {
    this.#ttlMs = ttlMs;
    this.#startRest();
  }

  take(): void {
    this.#users += 1;
    this.#endRest();
  }

  release(): void {
    this.#users -= 1;
    this.lastUse = nextUse();
    if (this.#users > 0) return;
    this.#startRest();
    this.#options.onIdle();
  }

  /** The load is over and went well. */
  setReady(): void {
    this.state = "ready";
    this.loadedAt = new Date();
    this.lastUse = nextUse();
    this.engine.settle({});
    this.#startRest();
    this.#options.onIdle();
  }

  /** A process that takes more than planned shows; one that takes less may not have read all of its weights, or have them on a GPU. */
  async measure(): Promise<void> {
    const bytes = await readResidentBytes(this.engine.pid);
    if (bytes !== undefined) this.#measuredBytes = Math.max(this.#measuredBytes, bytes);
  }

  /** Nobody gets it any more; those who have it keep it. */
  beginEnd(): void {
    this.state = "unloading";
    this.#endRest();
  }

  /** What runs on it fails with `error`; returns when its memory is free. */
  async end(error: Error): Promise<void> {
    this.beginEnd();
    this.engine.close(error);
    this.#gone.abort(error);
    this.#options.onIdle();
    await this.engine[Symbol.asyncDispose]();
  }

  #startRest(): void {
    this.#endRest();
    if (this.#users > 0 || this.state !== "ready" || this.#ttlMs === null) return;
    this.#expiresAt = performance.now() + this.#ttlMs;
    this.#waitForExpiry();
  }

  #waitForExpiry(): void {
    const leftMs = (this.#expiresAt ?? 0) - performance.now();
    if (leftMs <= 0) {
      this.#options.onExpired(this);
      return;
    }
    this.#timer = setTimeout(() => this.#waitForExpiry(), Math.min(leftMs, TIMER_LIMIT_MS));
    this.#timer.unref();
  }

  #endRest(): void {
    clearTimeout(this.#timer);
    this.#expiresAt = undefined;
  }

  #onFailure(thrown: unknown, startedAt: number): void {
    const reason = failureReason(thrown);
    if (reason === "load_failed" && this.state === "ready") this.#options.onLost(this, thrown);
    // Those who were there when it died all say so.
    if (reason !== "crashed" || startedAt <= this.#crashedAt) return;
    this.#crashedAt = performance.now();
    this.#options.onCrash(this);
  }
}

let uses = 0;

/** Uses can be closer to each other than a clock tells. */
function nextUse(): number {
  uses += 1;
  return uses;
}

/** What runs on a model fails with this when the model goes. */
export function unloadedError(id: string): Error {
  return engineFailed("unloaded", `The model \`${id}\` was unloaded while it worked on this request.`, {
    model: id,
  });
}
