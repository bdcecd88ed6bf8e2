/** The first of several engines that can load the model. */
import { errorMessage } from "../core/errors.ts";
import { engineFailed } from "./engine-failure.ts";
import type { Backend, Engine } from "./engine.ts";
import type {
  EmbedRequest,
  Embeddings,
  GenerateEvent,
  GenerateRequest,
  ModelFacts,
  SlotState,
} from "./protocol.ts";

export interface EngineCandidate {
  backend: Backend;
  create: () => Engine;
}

export interface FallbackOptions {
  /** In the order in which they are tried; at least one. */
  candidates: readonly EngineCandidate[];
  /** Told why one could not be used. */
  onFallback: (from: Backend, to: Backend, why: string) => void;
}

/** What the last one throws when it cannot load the model either is thrown; the next request tries them all again. */
export function createFallbackEngine(options: FallbackOptions): Engine {
  return new FallbackEngine(options);
}

class FallbackEngine implements Engine {
  readonly #options: FallbackOptions;
  #current: Engine | undefined;
  #choosing: Promise<Engine> | undefined;
  #disposed = false;

  constructor(options: FallbackOptions) {
    this.#options = options;
  }

  get backend(): Backend {
    return this.#current?.backend ?? this.#options.candidates[0]?.backend ?? "embedded";
  }

  get pid(): number | undefined {
    return this.#current?.pid;
  }

  start(): void {
    this.#ready().catch(() => undefined);
  }

  async facts(): Promise<ModelFacts> {
    return (await this.#ready()).facts();
  }

  async slots(): Promise<readonly SlotState[]> {
    return (await this.#ready()).slots();
  }

  async tokenize(
    text: string,
    options: { special: boolean; begin: boolean; signal?: AbortSignal },
  ): Promise<readonly number[]> {
    return (await this.#ready()).tokenize(text, options);
  }

  async detokenize(tokens: readonly number[], options: { signal?: AbortSignal }): Promise<string> {
    return (await this.#ready()).detokenize(tokens, options);
  }

  async embed(request: EmbedRequest, options: { signal: AbortSignal }): Promise<Embeddings> {
    return (await this.#ready()).embed(request, options);
  }

  async *generate(
    request: GenerateRequest,
    options: { signal: AbortSignal },
  ): AsyncGenerator<GenerateEvent, void, void> {
    options.signal.throwIfAborted();
    yield* (await this.#ready()).generate(request, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const current = this.#current;
    // Also one that is still loading; whoever waits for it is told so.
    await current?.[Symbol.asyncDispose]();
    await this.#choosing?.catch(() => undefined);
  }

  /** One that cannot be started again after it died is given up as well. */
  async #ready(): Promise<Engine> {
    const engine = await this.#choose();
    const chosen = this.#choosing;
    if (engine.backend === this.#options.candidates.at(-1)?.backend) return engine;
    try {
      await engine.facts();
      return engine;
    } catch (thrown) {
      if (this.#disposed) throw thrown;
      await engine[Symbol.asyncDispose]();
      if (this.#choosing === chosen) this.#choosing = undefined;
      return this.#choose();
    }
  }

  async #choose(): Promise<Engine> {
    if (this.#disposed) throw engineFailed("unloaded", "The model was unloaded.");
    this.#choosing ??= this.#tryAll().catch((thrown: unknown) => {
      this.#choosing = undefined;
      throw thrown;
    });
    return this.#choosing;
  }

  async #tryAll(): Promise<Engine> {
    const { candidates, onFallback } = this.#options;
    for (const [index, { backend, create }] of candidates.entries()) {
      const engine = create();
      this.#current = engine;
      try {
        await engine.facts();
        return engine;
      } catch (thrown) {
        await engine[Symbol.asyncDispose]();
        const next = candidates[index + 1];
        if (next === undefined || this.#disposed) throw thrown;
        onFallback(backend, next.backend, errorMessage(thrown));
      }
    }
    throw engineFailed("load_failed", "No engine can be used here.");
  }
}
