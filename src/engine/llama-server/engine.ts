/** A model in a `llama-server`, as an engine: started when it is needed, and again when it died. */
import { setTimeout as delay } from "node:timers/promises";
import { engineFailed, failureReason } from "../engine-failure.ts";
import type { Backend, Engine } from "../engine.ts";
import type {
  EmbedRequest,
  Embeddings,
  GenerateEvent,
  GenerateRequest,
  LoadOptions,
  ModelFacts,
  SlotState,
} from "../protocol.ts";
import { createLlamaServerClient } from "./client.ts";
import type { LlamaServerClient } from "./client.ts";
import type { RunningServer, ServerSource } from "./source.ts";

const BACKOFF_START_MS = 100;
const BACKOFF_LIMIT_MS = 10_000;
/** A server that lived this long before it died is started again at once. */
const STABLE_MS = 60_000;
const SILENCE_MS = 60_000;
/** How long the end of a process may be told after that of its connections. */
const DEATH_MS = 250;

export interface LlamaServerEngineOptions {
  source: ServerSource;
  load: LoadOptions;
  /** One line about starts and deaths. */
  log: (line: string) => void;
  /** How long the server may send nothing while it works on a request; default 60 s. */
  silenceMs?: number;
}

export function createLlamaServerEngine(options: LlamaServerEngineOptions): Engine {
  return new LlamaServerEngine(options);
}

interface Live {
  server: RunningServer;
  client: LlamaServerClient;
  startedAt: number;
}

class LlamaServerEngine implements Engine {
  readonly #options: LlamaServerEngineOptions;
  readonly #disposal = new AbortController();
  #live: Live | undefined;
  #starting: Promise<Live> | undefined;
  #deaths = 0;
  #lastDeathAt = 0;

  constructor(options: LlamaServerEngineOptions) {
    this.#options = options;
  }

  get backend(): Backend {
    return this.#options.source.backend;
  }

  get pid(): number | undefined {
    return this.#live?.server.pid;
  }

  start(): void {
    this.#ensure().catch(() => undefined);
  }

  async facts(): Promise<ModelFacts> {
    return (await this.#ensure()).client.facts;
  }

  async slots(): Promise<readonly SlotState[]> {
    return this.#ask((client) => client.slots());
  }

  async tokenize(
    text: string,
    options: { special: boolean; begin: boolean; signal?: AbortSignal },
  ): Promise<readonly number[]> {
    options.signal?.throwIfAborted();
    return this.#ask((client) => client.tokenize(text, options));
  }

  async detokenize(tokens: readonly number[], options: { signal?: AbortSignal }): Promise<string> {
    options.signal?.throwIfAborted();
    return this.#ask((client) => client.detokenize(tokens, options));
  }

  async embed(request: EmbedRequest, options: { signal: AbortSignal }): Promise<Embeddings> {
    options.signal.throwIfAborted();
    return this.#ask((client) => client.embed(request, options));
  }

  async *generate(
    request: GenerateRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<GenerateEvent, void, void> {
    signal.throwIfAborted();
    const live = await this.#ensure();
    try {
      yield* live.client.generate(request, { signal });
    } catch (thrown) {
      throw await this.#explain(thrown, live);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const unloaded = engineFailed("unloaded", "The model was unloaded.");
    this.#disposal.abort(unloaded);
    const live = this.#live ?? (await this.#starting?.catch(() => undefined));
    this.#live = undefined;
    live?.client.close(unloaded);
    await live?.server.stop();
  }

  async #ask<Result>(question: (client: LlamaServerClient) => Promise<Result>): Promise<Result> {
    const live = await this.#ensure();
    try {
      return await question(live.client);
    } catch (thrown) {
      throw await this.#explain(thrown, live);
    }
  }

  /** A connection breaks before the end of a process is told, and the next request must not meet the same one. */
  async #explain(thrown: unknown, live: Live): Promise<unknown> {
    if (failureReason(thrown) !== "crashed" || this.#live !== live) return thrown;
    const patience = new AbortController();
    const { signal } = patience;
    const why = await Promise.race([
      live.server.ended,
      delay(DEATH_MS, undefined, { signal }).catch(() => undefined),
    ]);
    patience.abort();
    // One that lives and answers is only out of favour with this request.
    if (why === undefined && (await live.client.isHealthy())) return thrown;
    this.#onDeath(live, why ?? "answers no more");
    return this.#disposal.signal.aborted ? this.#disposal.signal.reason : thrown;
  }

  async #ensure(): Promise<Live> {
    this.#disposal.signal.throwIfAborted();
    if (this.#live !== undefined) return this.#live;
    this.#starting ??= this.#startAfterBackoff().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #startAfterBackoff(): Promise<Live> {
    const { signal } = this.#disposal;
    if (this.#deaths > 0) {
      const waitMs = Math.min(BACKOFF_LIMIT_MS, BACKOFF_START_MS * 2 ** (this.#deaths - 1));
      const left = Math.max(0, this.#lastDeathAt + waitMs - Date.now());
      await delay(left, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
    try {
      return await this.#start(signal);
    } catch (thrown) {
      signal.throwIfAborted();
      this.#count(0);
      throw thrown;
    }
  }

  async #start(signal: AbortSignal): Promise<Live> {
    const { source, load, log, silenceMs = SILENCE_MS } = this.#options;
    const server = await source.start(signal);
    try {
      const client = await createLlamaServerClient({ server, load, silenceMs, signal });
      signal.throwIfAborted();
      const live = { server, client, startedAt: Date.now() };
      this.#live = live;
      void server.ended.then((why) => this.#onDeath(live, why));
      log(`engine ${describe(server)}: loaded ${load.modelPath} in ${server.loadMs} ms (${source.backend})`);
      return live;
    } catch (thrown) {
      await server.stop();
      throw thrown;
    }
  }

  #onDeath(live: Live, why: string): void {
    if (this.#disposal.signal.aborted || this.#live !== live) return;
    this.#live = undefined;
    this.#count(Date.now() - live.startedAt);
    this.#options.log(`engine ${describe(live.server)}: ${why}`);
    live.client.close(
      engineFailed(
        "crashed",
        `The llama-server ${why} while it worked on this request; it is started again with the next one.`,
      ),
    );
    // What is left of it goes: a container that has ended, a port.
    live.server.stop().catch(() => undefined);
  }

  #count(livedMs: number): void {
    this.#deaths = livedMs > STABLE_MS ? 1 : this.#deaths + 1;
    this.#lastDeathAt = Date.now();
  }
}

function describe({ pid, baseUrl }: RunningServer): string {
  return pid === undefined ? baseUrl : String(pid);
}
