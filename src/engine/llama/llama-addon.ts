/**
 * The native parts of node-llama-cpp that generation drives itself: one batch for all sequences, sampling straight from it. The
 * library's own loop takes up to a millisecond more for each token. These parts are not in its public types, so the package is
 * pinned to one version and a changed one is noticed when a model is loaded. See docs/decisions/0004-bundled-llama.md.
 */
export type Token = number;

/** Place of a token's logits in the batch that was decoded last. */
export type LogitIndex = number & { readonly brand: "logit-index" };

export interface AddonContext {
  /** Begins a batch of at most `size` tokens. */
  initBatch(size: number): void;
  /** Returns where the logits of the tokens at `logits` (places in `tokens`) will be. */
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logits: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  /** -1: none can come. */
  sampleToken(at: LogitIndex, sampler: AddonSampler): Promise<Token>;
  /** `filter`: tokens, then whether to add the greatest, least and selected one, then how many of the best. Pairs of token and logit. */
  sampleToken(
    at: LogitIndex,
    sampler: AddonSampler,
    probabilities: false,
    confidence: false,
    filter: readonly [readonly Token[], boolean, boolean, boolean, number],
    totalWeight: true,
  ): Promise<readonly [Token, undefined, undefined, readonly number[], number]>;
  /** Empties it. */
  disposeSequence(sequence: number): void;
  /** `end` -1: to the end. `false`: this kind of memory cannot forget just a part. */
  removeTokenCellsFromSequence(sequence: number, start: number, end: number): boolean;
  getSequenceKvCacheMinPosition(sequence: number): number;
  /** Returns the position of the last token copied. */
  copySequenceStateFromOtherSequence(target: number, source: number): Promise<number>;
  restoreCheckpoint(checkpoint: AddonCheckpoint, position: number, sequence: number): Promise<boolean>;
}

/** What a sequence with recurrent or windowed state holds at one position. */
export interface AddonCheckpoint {
  init(context: AddonContext, sequence: number): Promise<void>;
  dispose(): void;
  readonly minPos: number;
  readonly maxPos: number;
}

/** As llama.cpp's samplers take them; what is absent is not part of the chain. */
export interface SamplerConfig {
  temperature: number;
  seed: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenaltyTokens?: Uint32Array;
  repeatPenalty?: number;
  repeatPenaltyMaxTokens?: number;
  repeatPenaltyPresencePenalty?: number;
  repeatPenaltyFrequencyPenalty?: number;
  grammarEvaluationState?: AddonGrammarState;
  tokenBiasKeys?: Uint32Array;
  tokenBiasValues?: Float32Array;
}

export interface AddonSampler {
  applyConfig(config: SamplerConfig): void;
  dispose(): void;
}

export interface AddonGrammarState {
  readonly brand: "grammar-state";
}

export interface AddonGrammar {
  readonly brand: "grammar";
}

export interface AddonModel {
  detokenize(tokens: Uint32Array, special: boolean): string;
  getTokenString(token: Token): string | undefined;
  getTokenAttributes(token: Token): number;
  /** 1 SentencePiece, 2 byte-level BPE, 3 WordPiece, others as in `llama_vocab_type`. */
  getVocabularyType(): number;
  isEogToken(token: Token): boolean;
}

export interface Bindings {
  AddonSampler: new (model: AddonModel) => AddonSampler;
  AddonGrammar: new (gbnf: string, options: { addonExports: Bindings; rootRuleName: "root" }) => AddonGrammar;
  AddonGrammarEvaluationState: new (model: AddonModel, grammar: AddonGrammar) => AddonGrammarState;
  AddonContextSequenceCheckpoint: new () => AddonCheckpoint;
}

export interface Addon {
  bindings: Bindings;
  model: AddonModel;
  context: AddonContext;
}

const NEEDED = ["initBatch", "addToBatch", "decodeBatch", "sampleToken", "removeTokenCellsFromSequence"];

/** Throws when the library is not the version that this was written for. */
export function toAddon(library: { llama: unknown; model: unknown; context: unknown }): Addon {
  const bindings = (library.llama as { _bindings?: Bindings })._bindings;
  const model = (library.model as { _model?: AddonModel })._model;
  const context = (library.context as { _ctx?: AddonContext })._ctx;
  const methods = context as unknown as Record<string, unknown> | undefined;
  const complete = NEEDED.every((name) => typeof methods?.[name] === "function");
  if (bindings === undefined || model === undefined || context === undefined || !complete)
    throw new Error(
      "The package `node-llama-cpp` has another version than this program needs. Install the one that its package.json names.",
    );
  return { bindings, model, context };
}
