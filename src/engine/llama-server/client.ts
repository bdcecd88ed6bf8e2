/** Everything that is asked of one running `llama-server`. */
import { engineFailed } from "../engine-failure.ts";
import type {
  EmbedRequest,
  Embeddings,
  GenerateEvent,
  GenerateRequest,
  LoadOptions,
  ModelFacts,
  Prompt,
  SlotState,
} from "../protocol.ts";
import { toCompletionBody, withoutBegin } from "./completion-body.ts";
import { toEvents } from "./completion-events.ts";
import { createConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { toFields, toIntegers, toItems, toText } from "./fields.ts";
import { createGate } from "./gate.ts";
import type { Gate } from "./gate.ts";
import { readFacts, toSlotStates } from "./model-facts.ts";
import type { ServerFacts } from "./model-facts.ts";
import { contextOverflow } from "./refusal.ts";
import type { RunningServer } from "./source.ts";

const QUEUE_LIMIT = 64;
const HEALTH_MS = 2_000;

export interface ClientOptions {
  server: Pick<RunningServer, "baseUrl" | "apiKey" | "loadMs">;
  load: LoadOptions;
  silenceMs: number;
  signal: AbortSignal;
}

export interface LlamaServerClient {
  readonly facts: ModelFacts;
  slots(): Promise<readonly SlotState[]>;
  tokenize(
    text: string,
    options: { special: boolean; begin: boolean; signal?: AbortSignal },
  ): Promise<readonly number[]>;
  detokenize(tokens: readonly number[], options: { signal?: AbortSignal }): Promise<string>;
  embed(request: EmbedRequest, options: { signal: AbortSignal }): Promise<Embeddings>;
  generate(
    request: GenerateRequest,
    options: { signal: AbortSignal },
  ): AsyncGenerator<GenerateEvent, void, void>;
  /** Whether it answers a question that is answered at once. */
  isHealthy(): Promise<boolean>;
  /** Breaks off whatever is asked just now; that throws `reason`. */
  close(reason: Error): void;
}

/** Asks the server what its model is; throws what `Connection.get` throws. */
export async function createLlamaServerClient(options: ClientOptions): Promise<LlamaServerClient> {
  const { server, load, silenceMs, signal } = options;
  const { baseUrl, apiKey, loadMs } = server;
  const connection = createConnection({
    baseUrl,
    silenceMs,
    ...(apiKey === undefined ? {} : { apiKey }),
  });
  const facts = await readFacts(connection, { load, loadMs, signal });
  return new Client({
    connection,
    facts,
    gate: createGate(Math.max(1, facts.slots), load.queueLimit ?? QUEUE_LIMIT),
  });
}

interface ClientParts {
  connection: Connection;
  facts: ServerFacts;
  gate: Gate;
}

class Client implements LlamaServerClient {
  readonly facts: ServerFacts;
  readonly #connection: Connection;
  readonly #gate: Gate;
  readonly #running = new Set<AbortController>();
  #closed: Error | undefined;

  constructor({ connection, facts, gate }: ClientParts) {
    this.facts = facts;
    this.#connection = connection;
    this.#gate = gate;
  }

  close(reason: Error): void {
    this.#closed = reason;
    for (const each of this.#running) each.abort(reason);
    this.#connection.close();
  }

  async isHealthy(): Promise<boolean> {
    try {
      const { status } = await this.#connection.ask("/health", { signal: AbortSignal.timeout(HEALTH_MS) });
      return status === 200;
    } catch {
      return false;
    }
  }

  async slots(): Promise<readonly SlotState[]> {
    using link = this.#link();
    return toSlotStates(await this.#connection.get("/slots", { signal: link.signal }));
  }

  async tokenize(
    text: string,
    { special, begin, signal }: { special: boolean; begin: boolean; signal?: AbortSignal },
  ): Promise<readonly number[]> {
    using link = this.#link(signal);
    const content = begin ? withoutBegin(text, this.facts) : text;
    const body = { content, add_special: begin, parse_special: special };
    const answer = await this.#connection.get("/tokenize", { body, signal: link.signal });
    return toIntegers(toFields(answer)["tokens"]);
  }

  async detokenize(tokens: readonly number[], { signal }: { signal?: AbortSignal }): Promise<string> {
    using link = this.#link(signal);
    const answer = await this.#connection.get("/detokenize", { body: { tokens }, signal: link.signal });
    return toText(toFields(answer)["content"]) ?? "";
  }

  async embed({ inputs }: EmbedRequest, { signal }: { signal: AbortSignal }): Promise<Embeddings> {
    using link = this.#link(signal);
    const counted = await Promise.all(inputs.map((input) => this.#toTokens(input, link.signal)));
    for (const tokens of counted) this.#checkFits(tokens.length, 0);
    const leave = await this.#gate.enter(link.signal);
    try {
      const answer = await this.#connection.get("/embedding", {
        body: { content: counted },
        signal: link.signal,
      });
      const vectors = toItems(answer).map(toVector);
      if (vectors.length !== inputs.length || vectors.some(({ length }) => length === 0))
        throw engineFailed("generation_failed", "The llama-server did not answer with embeddings.");
      return { vectors, promptTokens: counted.reduce((sum, { length }) => sum + length, 0) };
    } finally {
      leave();
    }
  }

  async *generate(
    request: GenerateRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<GenerateEvent, void, void> {
    this.#check(request);
    using link = this.#link(signal);
    const hasImages = (request.images ?? []).length > 0;
    const tokens = hasImages ? undefined : await this.#toTokens(request.prompt, link.signal);
    if (tokens !== undefined) {
      // One token of room, or nothing could be generated.
      this.#checkFits(tokens.length, 1);
      yield { type: "accepted", promptTokens: tokens.length };
    }
    const queuedAt = performance.now();
    const leave = await this.#gate.enter(link.signal);
    try {
      const body = toCompletionBody(request, this.facts, tokens);
      const frames = this.#connection.stream("/completion", { body, signal: link.signal });
      const events = toEvents(frames, {
        baseUrl: this.#connection.baseUrl,
        request,
        promptTokens: tokens?.length ?? 0,
        queuedMs: performance.now() - queuedAt,
      });
      yield* hasImages ? withAccepted(events) : events;
    } finally {
      leave();
    }
  }

  #check({ prompt, images = [], slot }: GenerateRequest): void {
    const { slots, vision } = this.facts;
    if (prompt.length === 0) throw engineFailed("invalid_request", "The prompt is empty.");
    // The server would silently take another one.
    if (slot !== undefined && (!Number.isSafeInteger(slot) || slot < 0 || slot >= slots)) {
      const message = `\`id_slot\` is \`${slot}\`; this model has ${slots} slots, counted from 0.`;
      throw engineFailed("invalid_request", message);
    }
    if (images.length === 0) return;
    if (vision !== true) {
      const message = "This model cannot see images: it was loaded without a projector.";
      throw engineFailed("unsupported", message);
    }
    if (typeof prompt !== "string")
      throw engineFailed("invalid_request", "A prompt with images has to be text.");
  }

  #checkFits(promptTokens: number, room: number): void {
    const { contextTokens } = this.facts;
    if (promptTokens === 0) throw engineFailed("invalid_request", "The prompt is empty.");
    if (promptTokens + room > contextTokens) throw contextOverflow(promptTokens, contextTokens);
  }

  /** A signal for one request, which also ends with the server. */
  #link(signal?: AbortSignal): { signal: AbortSignal } & Disposable {
    signal?.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closed;
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#running.add(controller);
    return {
      signal: controller.signal,
      [Symbol.dispose]: () => {
        signal?.removeEventListener("abort", onAbort);
        this.#running.delete(controller);
      },
    };
  }

  async #toTokens(prompt: Prompt, signal: AbortSignal): Promise<readonly number[]> {
    return typeof prompt === "string"
      ? this.tokenize(prompt, { special: true, begin: true, signal })
      : prompt;
  }
}

/** Only the server knows how many tokens images are, and says so first. */
async function* withAccepted(
  events: AsyncGenerator<GenerateEvent, void, void>,
): AsyncGenerator<GenerateEvent, void, void> {
  let isFirst = true;
  for await (const event of events) {
    if (isFirst) yield { type: "accepted", promptTokens: event.type === "progress" ? event.total : 0 };
    isFirst = false;
    yield event;
  }
}

/** One row for the whole text, or one a token where the model does not pool; then the last has seen all others. Of length 1. */
function toVector(item: unknown): number[] {
  const rows = toItems(toFields(item)["embedding"]);
  const row = (Array.isArray(rows[0]) ? rows.at(-1) : rows) as readonly unknown[];
  const values = toItems(row).map(Number);
  const length = Math.hypot(...values);
  return length > 0 ? values.map((value) => value / length) : values;
}
