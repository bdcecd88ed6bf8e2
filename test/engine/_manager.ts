/** Managers for tests: with engines that do what the test says, and with real ones on copies of the practice model. */
import { setMaxListeners } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { createFixedCatalog, toFileEntry } from "../../src/engine/catalog/catalog.ts";
import type { ModelEntry } from "../../src/engine/catalog/catalog.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createForkedEngine } from "../../src/engine/engine.ts";
import { engineFailed } from "../../src/engine/engine-failure.ts";
import { createModelManager } from "../../src/engine/manager/model-manager.ts";
import type {
  ModelChange,
  ModelManager,
  ModelManagerOptions,
} from "../../src/engine/manager/model-manager.ts";
import type { GenerateEvent, GenerateRequest, LoadOptions, ModelFacts } from "../../src/engine/protocol.ts";
import { ENTRIES, PRACTICE_MODEL } from "./_bundle.ts";

export const never = new AbortController().signal;
export const chat = { purpose: "chat", signal: never } as const;
// Hundreds of requests listen to it.
setMaxListeners(0, never);

export function toEntry(key: string, more: Partial<ModelEntry> = {}): ModelEntry {
  return {
    key,
    aliases: [],
    path: `/models/${key}.gguf`,
    files: [`/models/${key}.gguf`],
    sizeBytes: 1,
    source: "file",
    publisher: "",
    displayName: key,
    purpose: "chat",
    toolUse: true,
    modifiedAt: new Date(0),
    ...more,
  };
}

export const PLAN: LoadOptions = {
  modelPath: "",
  contextTokens: 8192,
  shrinkToFit: false,
  slots: 1,
  threads: 1,
  gpu: false,
  sliceTokens: 256,
};

/** An engine whose load ends when the test says so. */
export interface HandEngine extends Engine {
  readonly key: string;
  readonly plan: LoadOptions;
  readonly started: boolean;
  readonly disposed: boolean;
  finish(): void;
  fail(error: Error): void;
  /** What `generate` gives from now on. */
  answer: (request: GenerateRequest, signal: AbortSignal) => AsyncGenerator<GenerateEvent, void, void>;
  /** Resolves the end of the process, where `slowEnd` holds it back. */
  letEnd(): void;
}

function createHandEngine(plan: LoadOptions, key: string, slowEnd: boolean): HandEngine {
  let finish = (): void => {};
  let fail = (_error: Error): void => {};
  let letEnd = (): void => {};
  const loaded = new Promise<ModelFacts>((resolve, reject) => {
    finish = () => resolve({ contextTokens: plan.contextTokens } as ModelFacts);
    fail = reject;
  });
  loaded.catch(() => undefined);
  const end = new Promise<void>((resolve) => {
    letEnd = resolve;
  });
  const engine = {
    backend: "embedded",
    pid: undefined,
    key,
    plan,
    started: false,
    disposed: false,
    finish,
    fail,
    letEnd,
    start: () => {
      engine.started = true;
    },
    facts: () => loaded,
    slots: async () => [],
    answer: async function* answer() {},
    generate: (request: GenerateRequest, { signal }: { signal: AbortSignal }) =>
      engine.answer(request, signal),
    tokenize: async () => [1],
    detokenize: async () => "x",
    embed: async () => ({ vectors: [[1]], promptTokens: 3 }),
    [Symbol.asyncDispose]: async () => {
      engine.disposed = true;
      fail(engineFailed("crashed", "The engine was stopped."));
      if (slowEnd) await end;
    },
  } as { -readonly [Key in keyof HandEngine]: HandEngine[Key] };
  return engine;
}

export interface HandManager {
  manager: ModelManager;
  /** All that were made, in order. */
  engines: HandEngine[];
  changes: string[];
  lines: string[];
}

export interface HandOptions extends Partial<ModelManagerOptions> {
  keys?: readonly string[];
  entries?: readonly ModelEntry[];
  /** Loads end by themselves. Default true. */
  quick?: boolean;
  slowEnd?: boolean;
}

export function createHandManager({
  keys = ["a", "b", "c"],
  entries = keys.map((key) => toEntry(key)),
  quick = true,
  slowEnd = false,
  ...options
}: HandOptions = {}): HandManager {
  const engines: HandEngine[] = [];
  const changes: string[] = [];
  const lines: string[] = [];
  const manager = createModelManager({
    catalog: createFixedCatalog(entries),
    createEngine: (plan, { key }) => {
      const engine = createHandEngine(plan, key, slowEnd);
      engines.push(engine);
      if (quick) engine.finish();
      return engine;
    },
    planLoad: async ({ path }, { contextTokens = PLAN.contextTokens }) => ({
      ...PLAN,
      modelPath: path,
      contextTokens,
    }),
    log: (line) => void lines.push(line),
    onChange: (change: ModelChange) => void changes.push(`${change.type} ${change.model.id}`),
    ...options,
  });
  return { manager, engines, changes, lines };
}

export interface RealManager extends AsyncDisposable {
  manager: ModelManager;
  folder: string;
  changes: string[];
  /** Engines that were made so far. */
  count: () => number;
}

/** Copies of the practice model under these names, each run by a child process. */
export async function createRealManager(
  names: readonly string[],
  options: Partial<ModelManagerOptions> = {},
): Promise<RealManager> {
  const folder = await mkdtemp(join(tmpdir(), "lmagent-models-"));
  const entries: ModelEntry[] = [];
  for (const name of names) {
    const path = join(folder, `${name}.gguf`);
    await copyFile(PRACTICE_MODEL, path);
    entries.push(await toFileEntry(path));
  }
  const changes: string[] = [];
  let count = 0;
  const manager = createModelManager({
    catalog: createFixedCatalog(entries),
    createEngine: (plan) => {
      count += 1;
      const load = { ...plan, contextTokens: 2048, threads: 1, gpu: false as const };
      return createForkedEngine({ childEntry: ENTRIES.engineChild, load, log: () => {} });
    },
    log: () => {},
    onChange: ({ type, model }) => void changes.push(`${type} ${model.id}`),
    ...options,
  });
  return {
    manager,
    folder,
    changes,
    count: () => count,
    [Symbol.asyncDispose]: async () => {
      await manager[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Writes for ever, or until the context is full. */
export const LONG: GenerateRequest = {
  prompt: "<|user|>write on<|end|><|assistant|>",
  sampling: { temperature: 0, topP: 1, topK: 1, minP: 0, ignoreEnd: true },
  stop: [],
};

export const SHORT: GenerateRequest = { ...LONG, maxTokens: 3 };

export async function collect(events: AsyncIterable<GenerateEvent>): Promise<GenerateEvent[]> {
  const all: GenerateEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Waits until it holds. */
export async function eventually(condition: () => boolean, withinMs = 10_000): Promise<void> {
  for (const end = Date.now() + withinMs; !condition();) {
    if (Date.now() > end) throw new Error(`never came true: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What it fails with; listens at once, so that it may fail before anybody looks. */
export function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
}

export const failedWith = (reason: string, words = ""): object => ({
  code: "engine_failed",
  message: expect.stringContaining(words) as unknown,
  data: expect.objectContaining({ reason }) as unknown,
});

/** Whatever is due now has happened; for fake timers. */
export async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

/** The id of what served it. */
export async function useOnce(manager: ModelManager, name: string | undefined): Promise<string> {
  using use = await manager.use(name, chat);
  await use.model.engine.facts();
  return use.model.id;
}

export const ids = (manager: ModelManager): string[] => manager.loaded().map(({ id }) => id);
