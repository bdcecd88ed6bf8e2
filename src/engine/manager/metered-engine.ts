/**
 * The engine of a loaded model as others see it: it counts what goes through, waits for the load, stays the same when the model is
 * loaded a second time with less, and fails what runs when the model goes.
 */
import type { Backend, Engine } from "../engine.ts";
import { failureReason } from "../engine-failure.ts";
import { createStatsMeter } from "./model-stats.ts";
import type { StatsMeter } from "./model-stats.ts";
import type {
  EmbedRequest,
  Embeddings,
  GenerateEvent,
  GenerateRequest,
  ModelFacts,
  SlotState,
} from "../protocol.ts";

interface MeteredEngineOptions {
  /** What a request or a question threw that was begun then (`performance.now()`), and not because its caller left. */
  onFailure: (thrown: unknown, startedAt: number) => void;
  meter?: StatsMeter;
}

export interface MeteredEngine extends Engine {
  readonly meter: StatsMeter;
  /** Takes the place of the engine so far, which somebody else disposes. */
  replace(engine: Engine): void;
  /** The load is over; before that all requests wait. */
  settle(outcome: { error?: Error }): void;
  /** What runs and what comes fails with this. */
  close(error: Error): void;
}

export function createMeteredEngine(engine: Engine, options: MeteredEngineOptions): MeteredEngine {
  return new Metered(engine, options);
}

class Metered implements MeteredEngine {
  readonly meter: StatsMeter;
  readonly #options: MeteredEngineOptions;
  readonly #running = new Set<AbortController>();
  readonly #loaded: Promise<void>;
  #resolveLoaded: () => void = () => {};
  #rejectLoaded: (error: Error) => void = () => {};
  #engine: Engine;
  #closed: Error | undefined;

  constructor(engine: Engine, options: MeteredEngineOptions) {
    this.#engine = engine;
    this.#options = options;
    this.meter = options.meter ?? createStatsMeter();
    this.#loaded = new Promise((resolve, reject) => {
      this.#resolveLoaded = resolve;
      this.#rejectLoaded = reject;
    });
    // Who waits for the load gets the error; there may be nobody.
    this.#loaded.catch(() => undefined);
  }

  get backend(): Backend {
    return this.#engine.backend;
  }

  get pid(): number | undefined {
    return this.#engine.pid;
  }

  replace(engine: Engine): void {
    this.#engine = engine;
  }

  settle({ error }: { error?: Error }): void {
    if (error === undefined) this.#resolveLoaded();
    else this.close(error);
  }

  close(error: Error): void {
    this.#closed ??= error;
    this.#rejectLoaded(error);
    for (const controller of this.#running) controller.abort(error);
  }

  start(): void {
    this.#engine.start();
  }

  facts(): Promise<ModelFacts> {
    return this.#watch(undefined, (engine) => engine.facts());
  }

  slots(): Promise<readonly SlotState[]> {
    return this.#watch(undefined, (engine) => engine.slots());
  }

  tokenize(
    text: string,
    options: { special: boolean; begin: boolean; signal?: AbortSignal },
  ): Promise<readonly number[]> {
    return this.#watch(options.signal, (engine, signal) => engine.tokenize(text, { ...options, signal }));
  }

  detokenize(tokens: readonly number[], options: { signal?: AbortSignal }): Promise<string> {
    return this.#watch(options.signal, (engine, signal) => engine.detokenize(tokens, { signal }));
  }

  async embed(request: EmbedRequest, { signal }: { signal: AbortSignal }): Promise<Embeddings> {
    const counted = this.meter.startEmbedding();
    try {
      const embeddings = await this.#watch(signal, (engine, linked) =>
        engine.embed(request, { signal: linked }),
      );
      counted.end({ failed: false, promptTokens: embeddings.promptTokens });
      return embeddings;
    } catch (thrown) {
      counted.end({ failed: !signal.aborted, promptTokens: 0 });
      throw thrown;
    }
  }

  async *generate(
    request: GenerateRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<GenerateEvent, void, void> {
    const counted = this.meter.startRequest();
    const linked = this.#link(signal);
    let failed = false;
    try {
      await this.#whenLoaded(linked.signal);
      for await (const event of this.#engine.generate(request, { signal: linked.signal })) {
        counted.onEvent(event);
        yield event;
      }
    } catch (thrown) {
      failed = !signal.aborted;
      throw this.#toFailure(thrown, linked.startedAt);
    } finally {
      linked.release();
      counted.end({ failed });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]();
  }

  async #watch<Result>(
    signal: AbortSignal | undefined,
    work: (engine: Engine, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const linked = this.#link(signal);
    try {
      await this.#whenLoaded(linked.signal);
      return await orAborted(work(this.#engine, linked.signal), linked.signal);
    } catch (thrown) {
      throw this.#toFailure(thrown, linked.startedAt);
    } finally {
      linked.release();
    }
  }

  async #whenLoaded(signal: AbortSignal): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    signal.throwIfAborted();
    await orAborted(this.#loaded, signal);
    // A process that died is started again here, so that a file that is gone meanwhile fails as a load.
    await orAborted(this.#engine.facts(), signal);
  }

  /** Our reason comes first: an engine that was ended says all sorts of things. */
  #toFailure(thrown: unknown, startedAt: number): unknown {
    if (this.#closed !== undefined) return this.#closed;
    if (failureReason(thrown) !== undefined) this.#options.onFailure(thrown, startedAt);
    return thrown;
  }

  /** A signal of our own for each request. `AbortSignal.any` on one that lives long would keep them all. */
  #link(signal: AbortSignal | undefined): {
    signal: AbortSignal;
    startedAt: number;
    release: () => void;
  } {
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(signal?.reason);
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#running.add(controller);
    return {
      signal: controller.signal,
      startedAt: performance.now(),
      release: () => {
        this.#running.delete(controller);
        signal?.removeEventListener("abort", onAbort);
      },
    };
  }
}

/** What `work` gives, or the signal's reason, whichever is first. */
export async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
