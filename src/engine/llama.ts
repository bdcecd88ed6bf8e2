/**
 * llama.cpp through node-llama-cpp, reduced to what generation needs: text to tokens and back, and slots that keep evaluated
 * tokens. The only importer of the library; runs in the engine child only.
 */
import { stat } from "node:fs/promises";
import type * as LibraryModule from "node-llama-cpp";
import { errorMessage } from "../core/errors.ts";
import type { LoadOptions, ModelFacts, Sampling } from "./protocol.ts";

type Library = typeof LibraryModule;
type Llama = Awaited<ReturnType<Library["getLlama"]>>;
type LibraryModel = Awaited<ReturnType<Llama["loadModel"]>>;
type LibrarySequence = ReturnType<Awaited<ReturnType<LibraryModel["createContext"]>>["getSequence"]>;
type Grammar = InstanceType<Library["LlamaGrammar"]>;

export type Token = number;

/** One KV sequence. `length` tokens of it are evaluated. */
export interface LlamaSlot {
  readonly index: number;
  readonly length: number;
  /** How many of these tokens, from the first on, are already evaluated here. */
  prefixLength(tokens: readonly Token[]): number;
  /** Forgets everything but the first `count` tokens. */
  keep(count: number): Promise<void>;
  /** Evaluates prompt tokens; cannot be interrupted, so give it slices. */
  evaluate(tokens: readonly Token[]): Promise<void>;
  /** Evaluates `tokens` and then samples until the model ends. A yielded token is evaluated when the next one is asked for. */
  sample(
    tokens: readonly Token[],
    options: { sampling: Sampling; gbnf?: string },
  ): AsyncGenerator<Token, void, void>;
}

export interface LlamaModel {
  readonly facts: ModelFacts;
  readonly slots: readonly LlamaSlot[];
  /** With special tokens recognised, and the model's begin token in front where it wants one. */
  tokenizePrompt(text: string): Token[];
  /** A piece from the middle of a text. */
  tokenizePiece(text: string): Token[];
  /** `before`: the tokens just before, which decide about leading spaces. */
  detokenize(tokens: readonly Token[], before: readonly Token[]): string;
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

/** Throws with a message for the user when the library is missing or the file is no model that can be loaded. */
export async function loadLlamaModel(options: LoadOptions): Promise<LlamaModel> {
  const clock = createStopwatch();
  const lib = await importLibrary();
  const libraryMs = clock();
  const sizeBytes = (await stat(options.modelPath)).size;
  const llama = await lib.getLlama({
    gpu: options.gpu,
    build: "never",
    maxThreads: options.threads,
    logLevel: lib.LlamaLogLevel.error,
    progressLogs: false,
    logger: (level, message) => process.stderr.write(`llama.cpp ${level}: ${message.trimEnd()}\n`),
  });
  const backendMs = clock();
  const model = await llama.loadModel({
    modelPath: options.modelPath,
    ignoreMemorySafetyChecks: !options.shrinkToFit,
  });
  const modelMs = clock();
  const contextTokens = Math.min(options.contextTokens, model.trainContextSize);
  const context = await model.createContext({
    sequences: options.slots,
    contextSize: options.shrinkToFit ? { max: contextTokens } : contextTokens,
    ignoreMemorySafetyChecks: !options.shrinkToFit,
    batchSize: options.sliceTokens,
    threads: options.threads,
  });
  const loadMs = { library: libraryMs, backend: backendMs, model: modelMs, context: clock() };
  const grammars = createGrammarCache(lib, llama);
  return {
    facts: {
      ...readFacts(model),
      sizeBytes,
      slots: options.slots,
      threads: options.threads,
      contextTokens: context.contextSize,
      loadMs,
    },
    slots: Array.from({ length: options.slots }, (_, index) =>
      toSlot(lib, context.getSequence(), { index, model, grammars }),
    ),
    tokenizePrompt: (text) => withBeginToken(model, model.tokenize(text, true)),
    tokenizePiece: (text) => model.tokenize(text, true, "trimLeadingSpace"),
    detokenize: (tokens, before) => model.detokenize(tokens as never, true, before as never),
  };
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
  "trainContextTokens" | "parameters" | "chatTemplate" | "bosToken" | "eosToken" | "quantization"
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

type GrammarCache = (gbnf: string) => Grammar;

/** Tool lists rarely change within a run, so a few compiled grammars are enough. */
function createGrammarCache(lib: Library, llama: Llama): GrammarCache {
  const compiled = new Map<string, Grammar>();
  return (gbnf) => {
    const known = compiled.get(gbnf);
    if (known !== undefined) return known;
    if (compiled.size >= 16) compiled.clear();
    const grammar = new lib.LlamaGrammar(llama, { grammar: gbnf });
    compiled.set(gbnf, grammar);
    return grammar;
  };
}

function toSlot(
  lib: Library,
  sequence: LibrarySequence,
  options: { index: number; model: LibraryModel; grammars: GrammarCache },
): LlamaSlot {
  const { index, model, grammars } = options;
  return {
    index,
    get length() {
      return sequence.nextTokenIndex;
    },
    prefixLength: (tokens) => sequence.compareContextTokens(tokens as never).firstDifferentIndex,
    keep: async (count) => {
      if (count < sequence.nextTokenIndex)
        await sequence.eraseContextTokenRanges([{ start: count, end: sequence.nextTokenIndex }]);
    },
    evaluate: (tokens) => sequence.evaluateWithoutGeneratingNewTokens(tokens as never),
    sample: (tokens, { sampling, gbnf }) =>
      sequence.evaluate(tokens as never, {
        ...toLibrarySampling(sampling),
        ...(gbnf === undefined
          ? {}
          : {
              grammarEvaluationState: new lib.LlamaGrammarEvaluationState({ model, grammar: grammars(gbnf) }),
            }),
      }),
  };
}

function toLibrarySampling({
  temperature,
  topP,
  topK,
  minP,
  seed,
}: Sampling): Pick<Sampling, "temperature" | "topP" | "topK" | "minP" | "seed"> {
  return { temperature, topP, topK, minP, ...(seed === undefined ? {} : { seed }) };
}
