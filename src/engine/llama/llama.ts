/**
 * llama.cpp through node-llama-cpp, reduced to what generation needs: text to tokens and back, and slots that keep evaluated
 * tokens. The only importer of the library; runs in the engine child only.
 */
import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type * as LibraryModule from "node-llama-cpp";
import { errorMessage } from "../../core/errors.ts";
import { createBatcher } from "./batcher.ts";
import { toAddon } from "./llama-addon.ts";
import type { Addon, Token } from "./llama-addon.ts";
import { createSlot } from "./llama-slot.ts";
import type { LlamaSlot } from "./llama-slot.ts";
import type { LoadOptions, ModelFacts } from "../protocol.ts";
import { createSamplerFactory } from "./sampler.ts";
import { createTokenBytes } from "./token-bytes.ts";
import type { TokenBytes } from "./token-bytes.ts";

export type { Token } from "./llama-addon.ts";
export type { LlamaSlot } from "./llama-slot.ts";

type Library = typeof LibraryModule;
type Llama = Awaited<ReturnType<Library["getLlama"]>>;
type LibraryModel = Awaited<ReturnType<Llama["loadModel"]>>;
type LibraryContext = Awaited<ReturnType<LibraryModel["createContext"]>>;
type EmbeddingContext = Awaited<ReturnType<LibraryModel["createEmbeddingContext"]>>;

export interface Embedder {
  /** How many tokens these become, with the ones that the model wants around them. */
  count(tokens: readonly Token[]): number;
  /** Of length 1. Waits for the one before. */
  embed(tokens: readonly Token[]): Promise<readonly number[]>;
}

export interface LlamaModel {
  readonly facts: ModelFacts;
  /** Tokens are numbers below it. */
  readonly vocabularySize: number;
  /** None for a model of purpose `embedding`. */
  readonly slots: readonly LlamaSlot[];
  /** Only for a model of purpose `embedding`. */
  readonly embedder?: Embedder;
  /** `special`: control tokens in the text count as such; `begin`: with the model's begin token in front where it wants one. */
  tokenize(text: string, options: { special: boolean; begin: boolean }): Token[];
  /** A piece from the middle of a text. */
  tokenizePiece(text: string): Token[];
  readonly bytesOf: TokenBytes;
}

let library: Promise<Library> | undefined;

/** Starts the import, which takes longer than anything else on the way to the first token. */
export function importLibrary(): Promise<Library> {
  library ??= import("node-llama-cpp").catch((cause: unknown) => {
    throw new Error(
      `The package \`node-llama-cpp\` cannot be loaded (${errorMessage(cause)}). Install it: npm install node-llama-cpp`,
      { cause },
    );
  });
  return library;
}

const SHORT_HEAD = 64;

/** llama.cpp says what is wrong with a file in its log only. */
const complaints: string[] = [];
const KEPT_COMPLAINTS = 8;
const LOOKS_FOR_REASON = 20;
const LOOK_MS = 20;

let backend: Promise<Llama> | undefined;

function startBackend(lib: Library, { gpu, threads }: Pick<LoadOptions, "gpu" | "threads">): Promise<Llama> {
  backend ??= lib.getLlama({
    gpu,
    build: "never",
    maxThreads: threads,
    logLevel: lib.LlamaLogLevel.error,
    progressLogs: false,
    logger: (level, message) => {
      complaints.push(message.trim());
      if (complaints.length > KEPT_COMPLAINTS) complaints.shift();
      process.stderr.write(`llama.cpp ${level}: ${message.trimEnd()}\n`);
    },
  });
  return backend;
}

/** Throws with a message for the user when the library is missing or the file is no model that can be loaded. */
export async function loadLlamaModel(options: LoadOptions): Promise<LlamaModel> {
  const clock = createStopwatch();
  const lib = await importLibrary();
  const libraryMs = clock();
  const sizeBytes = (await stat(options.modelPath)).size;
  const llama = await startBackend(lib, options);
  const backendMs = clock();
  const model = await loadFile(llama, options);
  const modelMs = clock();
  const memory = await createMemory({ llama, model, options });
  const loadMs = { library: libraryMs, backend: backendMs, model: modelMs, context: clock() };
  const { bytesOf, contextTokens, slots, embedder } = memory;
  return {
    facts: {
      ...readFacts(model),
      sizeBytes,
      slots: options.purpose === "embedding" ? 1 : options.slots,
      threads: options.threads,
      contextTokens,
      loadMs,
    },
    vocabularySize: readVocabularySize(model),
    slots,
    ...(embedder === undefined ? {} : { embedder }),
    bytesOf,
    tokenize: (text, { special, begin }) => {
      const tokens = model.tokenize(text, special);
      return begin ? withBeginToken(model, tokens) : tokens;
    },
    tokenizePiece: (text) => model.tokenize(text, true, "trimLeadingSpace"),
  };
}

function readVocabularySize({ fileInfo }: LibraryModel): number {
  const metadata = fileInfo.metadata as { tokenizer?: { ggml?: { tokens?: { length?: unknown } } } };
  const size = metadata.tokenizer?.ggml?.tokens?.length;
  return typeof size === "number" ? size : Number.MAX_SAFE_INTEGER;
}

async function loadFile(llama: Llama, options: LoadOptions): Promise<LibraryModel> {
  complaints.length = 0;
  try {
    return await llama.loadModel({
      modelPath: options.modelPath,
      ignoreMemorySafetyChecks: !options.shrinkToFit,
      ...(options.gpuLayers === undefined ? {} : { gpuLayers: options.gpuLayers }),
    });
  } catch (cause) {
    throw new Error(await explain(cause), { cause });
  }
}

/** The reason out of llama.cpp's log, where it gave one. Its lines come from another thread, and so may come after the error. */
async function explain(cause: unknown): Promise<string> {
  for (let look = 0; look < LOOKS_FOR_REASON; look += 1) {
    const reason = complaints.map((line) => /error loading model[^:]*: (.*)/.exec(line)?.[1]).find(Boolean);
    if (reason !== undefined) return reason;
    await delay(LOOK_MS);
  }
  return errorMessage(cause);
}

interface MemorySubject {
  llama: Llama;
  model: LibraryModel;
  options: LoadOptions;
}

type Memory = Pick<LlamaModel, "slots" | "embedder" | "bytesOf"> & { contextTokens: number };

function createMemory(subject: MemorySubject): Promise<Memory> {
  return subject.options.purpose === "embedding" ? createEmbeddingMemory(subject) : createChatMemory(subject);
}

async function createChatMemory({ llama, model, options }: MemorySubject): Promise<Memory> {
  const contextTokens = Math.min(options.contextTokens, model.trainContextSize);
  const context = await model.createContext({
    sequences: options.slots,
    contextSize: options.shrinkToFit ? { max: contextTokens } : contextTokens,
    ignoreMemorySafetyChecks: !options.shrinkToFit,
    batchSize: options.sliceTokens,
    threads: options.threads,
    ...toFlashAttention(model, options),
  });
  const addon = toAddon({ llama, model, context });
  return {
    contextTokens: context.contextSize,
    slots: createSlots(addon, { model, context, slots: options.slots }),
    bytesOf: createTokenBytes(addon.model),
  };
}

/** Where each head is shorter than a processor's vectors, its flash attention is ten times slower for a few tokens than the plain one. */
function toFlashAttention(
  model: LibraryModel,
  { flashAttention }: LoadOptions,
): { flashAttention?: boolean } {
  if (flashAttention !== undefined) return { flashAttention };
  const { embedding_length: width, attention } = model.fileInfo.architectureMetadata;
  const heads = Number(attention?.head_count);
  const headWidth = attention?.key_length ?? Number(width) / heads;
  return model.gpuLayers === 0 && headWidth < SHORT_HEAD ? { flashAttention: false } : {};
}

function createSlots(
  addon: Addon,
  { model, context, slots }: { model: LibraryModel; context: LibraryContext; slots: number },
): LlamaSlot[] {
  const { contextSize: contextTokens, batchSize } = context;
  const batcher = createBatcher(addon.context, { batchTokens: batchSize });
  const { isRecurrent, isHybrid, swaSize } = model.fileInsights;
  const createSampler = createSamplerFactory({
    ...addon,
    contextTokens,
    endTokens: lazily(() => findEndTokens(model)),
  });
  return Array.from({ length: slots }, (_, index) =>
    createSlot({
      ...addon,
      index,
      batcher,
      createSampler,
      contextTokens,
      needsCheckpoints: isRecurrent || isHybrid || swaSize !== undefined,
      windowTokens: swaSize ?? contextTokens,
    }),
  );
}

function lazily<Value>(make: () => Value): () => Value {
  let value: Value | undefined;
  return () => (value ??= make());
}

function findEndTokens(model: LibraryModel): readonly Token[] {
  const ends: Token[] = [];
  for (const token of model.iterateAllTokens()) if (model.isEogToken(token)) ends.push(token);
  return ends;
}

/** An embedding looks at a whole text at once, so the batch has to hold all of it. */
async function createEmbeddingMemory({ llama, model, options }: MemorySubject): Promise<Memory> {
  const contextTokens = Math.min(options.contextTokens, model.trainContextSize);
  const context: EmbeddingContext = await model.createEmbeddingContext({
    contextSize: options.shrinkToFit ? { max: contextTokens } : contextTokens,
    ignoreMemorySafetyChecks: !options.shrinkToFit,
    batchSize: contextTokens,
    threads: options.threads,
  });
  const inner = (context as unknown as { _llamaContext: LibraryContext })._llamaContext;
  return {
    contextTokens: inner.contextSize,
    slots: [],
    bytesOf: createTokenBytes(toAddon({ llama, model, context: inner }).model),
    embedder: {
      count: (tokens) => context.calculateInputLength([...tokens] as never),
      embed: async (tokens) => normalise((await context.getEmbeddingFor([...tokens] as never)).vector),
    },
  };
}

/** To length 1; a vector of zeros stays as it is. */
function normalise(vector: readonly number[]): readonly number[] {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}

function createStopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const elapsed = now - last;
    last = now;
    return Math.round(elapsed);
  };
}

function readFacts(
  model: LibraryModel,
): Pick<
  ModelFacts,
  | "trainContextTokens"
  | "parameters"
  | "chatTemplate"
  | "bosToken"
  | "eosToken"
  | "quantization"
  | "architecture"
  | "layers"
  | "gpuLayers"
> {
  const metadata = model.fileInfo.metadata as { tokenizer?: { chat_template?: unknown } };
  const template = metadata.tokenizer?.chat_template;
  return {
    trainContextTokens: model.trainContextSize,
    parameters: countParameters(model),
    ...(typeof template === "string" ? { chatTemplate: template } : {}),
    bosToken: model.tokens.bosString ?? "",
    eosToken: model.tokens.eosString ?? "",
    ...toQuantization(model.typeDescription),
    architecture: model.fileInfo.metadata.general.architecture,
    layers: model.fileInsights.totalLayers,
    gpuLayers: model.gpuLayers,
  };
}

function countParameters(model: LibraryModel): number {
  const tensors = model.fileInfo.fullTensorInfo ?? model.fileInfo.tensorInfo ?? [];
  return tensors.reduce(
    (sum, { dimensions }) => sum + dimensions.reduce<number>((size, one) => size * Number(one), 1),
    0,
  );
}

/** The library's description ends in the quantisation, as in "llama 8B Q4_K - Medium". */
function toQuantization(description: string): { quantization?: string } {
  const match = /\b(I?Q\d\S*|BF16|F16|F32|MXFP4)\b/.exec(description);
  return match?.[1] === undefined ? {} : { quantization: match[1] };
}

function withBeginToken(model: LibraryModel, tokens: Token[]): Token[] {
  const { bos, shouldPrependBosToken } = model.tokens;
  return shouldPrependBosToken && bos !== null && tokens[0] !== bos ? [bos, ...tokens] : tokens;
}
