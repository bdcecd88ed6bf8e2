/** The parent's side of the engine child: starts it, speaks to it, and survives its death. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { env as environment } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { AgentError } from "../core/errors.ts";
import { engineFailed } from "./engine-failure.ts";
import { createMailbox } from "./mailbox.ts";
import type { Mailbox } from "./mailbox.ts";
import type {
  EmbedRequest,
  Embeddings,
  EngineFailure,
  FromChild,
  GenerateEvent,
  GenerateRequest,
  LoadOptions,
  ModelFacts,
  SlotState,
  ToChild,
} from "./protocol.ts";

const BUILT_CHILD = fileURLToPath(new URL("./llama/child.js", import.meta.url));
const BACKOFF_START_MS = 100;
const BACKOFF_LIMIT_MS = 10_000;
/** A child that lived this long before it died is started again at once. */
const STABLE_MS = 60_000;

export interface ForkedEngineOptions {
  /** Absolute path of the built child. Default: the one beside this file, which is there wherever this file was not bundled. */
  childEntry?: string;
  load: LoadOptions;
  /** One line about starts and deaths. */
  log: (line: string) => void;
  /** What native code prints, line by line; absent: it goes where our own output goes. */
  onOutput?: (line: string) => void;
}

/** Where a model runs: in a child process of ours, in a `llama-server` of this machine, in one in a container. */
export type Backend = "embedded" | "host" | "docker";

/** One model that runs somewhere. It is loaded with the first use, or with `start`. */
export interface Engine {
  readonly backend: Backend;
  /** Process id of whatever computes, where it is a process of this machine; it changes when that is started again. */
  readonly pid: number | undefined;
  /** Starts loading without waiting for it. */
  start(): void;
  /** Throws `AgentError` `engine_failed` when the model cannot be loaded. */
  facts(): Promise<ModelFacts>;
  /** What the slots hold now. Waits for the model; throws what `generate` throws. */
  slots(): Promise<readonly SlotState[]>;
  /**
   * Throws `AgentError` `context_overflow`, or `engine_failed` whose `data.reason` is an `EngineFailureCode`. Ending the
   * iteration or aborting cancels the generation in the child.
   */
  generate(
    request: GenerateRequest,
    options: { signal: AbortSignal },
  ): AsyncGenerator<GenerateEvent, void, void>;
  /** `special`: control tokens in the text count as such; `begin`: with the model's begin token in front where it wants one. */
  tokenize(
    text: string,
    options: { special: boolean; begin: boolean; signal?: AbortSignal },
  ): Promise<readonly number[]>;
  detokenize(tokens: readonly number[], options: { signal?: AbortSignal }): Promise<string>;
  /** Throws like `generate`; `engine_failed` with reason `unsupported` on a model that is no embedding model. */
  embed(request: EmbedRequest, options: { signal: AbortSignal }): Promise<Embeddings>;
  /** Ends it and gives its memory back; what runs on it fails with reason `unloaded`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** llama.cpp in a child process. */
export function createForkedEngine(options: ForkedEngineOptions): Engine {
  return new ForkedEngine(options);
}

type Reply = Extract<FromChild, { id: number }>;

interface Child {
  process: ChildProcess;
  facts: Promise<ModelFacts>;
  requests: Map<number, Mailbox<Reply>>;
  startedAt: number;
}

class ForkedEngine implements Engine {
  readonly backend = "embedded";
  readonly #options: ForkedEngineOptions;
  #child: Child | undefined;
  #starting: Promise<Child> | undefined;
  #deaths = 0;
  #lastDeathAt = 0;
  #nextId = 1;
  #disposed = false;

  constructor(options: ForkedEngineOptions) {
    this.#options = options;
  }

  start(): void {
    this.#ensure().catch(() => undefined);
  }

  async facts(): Promise<ModelFacts> {
    return (await this.#ensure()).facts;
  }

  get pid(): number | undefined {
    return this.#child?.process.pid;
  }

  async slots(): Promise<readonly SlotState[]> {
    const reply = await this.#ask((id) => ({ type: "slots", id }));
    return reply.type === "slots" ? reply.slots : [];
  }

  async tokenize(
    text: string,
    { special, begin, signal }: { special: boolean; begin: boolean; signal?: AbortSignal },
  ): Promise<readonly number[]> {
    const reply = await this.#ask((id) => ({ type: "tokenize", id, text, special, begin }), signal);
    return reply.type === "tokens" ? reply.tokens : [];
  }

  async detokenize(tokens: readonly number[], { signal }: { signal?: AbortSignal }): Promise<string> {
    const reply = await this.#ask((id) => ({ type: "detokenize", id, tokens }), signal);
    return reply.type === "detokenized" ? reply.text : "";
  }

  async embed(request: EmbedRequest, { signal }: { signal: AbortSignal }): Promise<Embeddings> {
    const reply = await this.#ask((id) => ({ type: "embed", id, request }), signal);
    return reply.type === "embedded" ? reply.embeddings : { vectors: [], promptTokens: 0 };
  }

  async *generate(
    request: GenerateRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<GenerateEvent, void, void> {
    signal.throwIfAborted();
    const child = await this.#ensure();
    signal.throwIfAborted();
    const id = this.#nextId++;
    const mailbox = createMailbox<Reply>();
    child.requests.set(id, mailbox);
    const cancel = (): void => mailbox.fail(signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    let ended = false;
    try {
      send(child.process, { type: "generate", id, request });
      for await (const reply of mailbox.messages()) {
        if (reply.type === "event") {
          ended = reply.event.type === "done";
          yield reply.event;
        } else if (reply.type === "failed") {
          ended = true;
          throw toError(reply.failure);
        }
        if (ended) return;
      }
    } finally {
      signal.removeEventListener("abort", cancel);
      child.requests.delete(id);
      if (!ended) send(child.process, { type: "cancel", id });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const child = this.#child;
    if (child === undefined || child.process.exitCode !== null || child.process.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => child.process.once("exit", () => resolve()));
    failAll(child, toError(UNLOADED));
    // Nothing in the child needs saving, and native code may be busy for long.
    child.process.kill("SIGKILL");
    await exited;
  }

  /** One question with one answer. */
  async #ask(toMessage: (id: number) => ToChild, signal?: AbortSignal): Promise<Reply> {
    signal?.throwIfAborted();
    const child = await this.#ensure();
    const id = this.#nextId++;
    const mailbox = createMailbox<Reply>();
    const cancel = (): void => mailbox.fail(signal?.reason);
    signal?.addEventListener("abort", cancel, { once: true });
    child.requests.set(id, mailbox);
    try {
      send(child.process, toMessage(id));
      for await (const reply of mailbox.messages()) {
        if (reply.type === "failed") throw toError(reply.failure);
        return reply;
      }
      throw toError({ code: "crashed", message: "The engine process said nothing." });
    } finally {
      signal?.removeEventListener("abort", cancel);
      child.requests.delete(id);
    }
  }

  async #ensure(): Promise<Child> {
    if (this.#disposed) throw toError(UNLOADED);
    if (this.#child !== undefined) return this.#child;
    this.#starting ??= this.#startAfterBackoff().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #startAfterBackoff(): Promise<Child> {
    if (this.#deaths > 0) {
      const waitMs = Math.min(BACKOFF_LIMIT_MS, BACKOFF_START_MS * 2 ** (this.#deaths - 1));
      await delay(Math.max(0, this.#lastDeathAt + waitMs - performance.now()));
    }
    if (this.#disposed) throw toError(UNLOADED);
    this.#child = this.#startChild();
    return this.#child;
  }

  #startChild(): Child {
    const { childEntry = BUILT_CHILD, load, log, onOutput } = this.#options;
    const output = onOutput === undefined ? "inherit" : "pipe";
    const process = fork(childEntry, [], {
      // Quicker than "advanced" for messages this small; nothing in them is more than JSON.
      serialization: "json",
      execArgv: [],
      env: { ...environment, UV_THREADPOOL_SIZE: poolSize(load.threads) },
      stdio: ["ignore", output, output, "ipc"],
    });
    for (const stream of [process.stdout, process.stderr])
      if (stream !== null && onOutput !== undefined) createInterface({ input: stream }).on("line", onOutput);
    const requests = new Map<number, Mailbox<Reply>>();
    const { facts, settle } = createLoadPromise();
    const child: Child = { process, facts, requests, startedAt: performance.now() };
    const receive = (message: FromChild): void => {
      if (message.type === "loaded") {
        log(`engine ${process.pid}: loaded ${load.modelPath} in ${JSON.stringify(message.facts.loadMs)} ms`);
        settle.resolve(message.facts);
      } else if (message.type === "load_failed") {
        settle.reject(loadError(load.modelPath, message.message));
        process.kill("SIGKILL");
      } else requests.get(message.id)?.put(message);
    };
    process.on("message", (messages: readonly FromChild[]) => messages.forEach(receive));
    const onGone = (why: string): void => {
      this.#onDeath(child, why);
      settle.reject(loadError(load.modelPath, `the engine process ${why}`, { died: true }));
    };
    process.once("error", (error) => onGone(`could not be started: ${error.message}`));
    process.once("exit", (code, signal) =>
      onGone(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
    );
    send(process, { type: "load", options: load });
    return child;
  }

  #onDeath(child: Child, why: string): void {
    if (this.#child === child) this.#child = undefined;
    if (this.#disposed) return;
    this.#deaths = performance.now() - child.startedAt > STABLE_MS ? 1 : this.#deaths + 1;
    this.#lastDeathAt = performance.now();
    this.#options.log(`engine ${child.process.pid}: ${why}`);
    const error = toError({
      code: "crashed",
      message: `The engine process ${why} while it worked on this request; it is started again with the next one.`,
    });
    child.facts.then(
      () => failAll(child, error),
      (loadFailure: unknown) => failAll(child, loadFailure),
    );
  }
}

/** As many threads for native work as may compute: with more, one token's work would wander from core to core. */
function poolSize(threads: number): string {
  return String(Math.max(1, Math.min(4, threads)));
}

const UNLOADED: EngineFailure = { code: "unloaded", message: "The model was unloaded." };

function failAll(child: Child, error: unknown): void {
  for (const mailbox of child.requests.values()) mailbox.fail(error);
}

function createLoadPromise(): {
  facts: Promise<ModelFacts>;
  settle: { resolve: (facts: ModelFacts) => void; reject: (error: AgentError) => void };
} {
  const settle = {} as { resolve: (facts: ModelFacts) => void; reject: (error: AgentError) => void };
  const facts = new Promise<ModelFacts>((resolve, reject) => {
    settle.resolve = resolve;
    settle.reject = reject;
  });
  // Whoever needs the facts gets the error; without anybody it is only logged.
  facts.catch(() => undefined);
  return { facts, settle };
}

function send(child: ChildProcess, message: ToChild): void {
  // A child that just died is noticed by its exit event; the callback keeps the write error from being thrown.
  if (child.connected) child.send(message, () => undefined);
}

/** `died`: its process ended, which may be no fault of the file. */
function loadError(path: string, why: string, more: { died?: true } = {}): AgentError {
  return engineFailed("load_failed", `The model \`${path}\` could not be loaded: ${why}`, { path, ...more });
}

function toError({ code, message, promptTokens, contextTokens }: EngineFailure): AgentError {
  if (code === "context_overflow")
    return new AgentError("context_overflow", message, { data: { promptTokens, contextTokens } });
  return engineFailed(code, message);
}
