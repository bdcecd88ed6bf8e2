/**
 * What the server and the engine child say to each other over the IPC channel of `fork`. Plain data only. One child holds one model;
 * every request has an id that its answers carry.
 */
export interface LoadOptions {
  modelPath: string;
  /** Tokens of context per slot. */
  contextTokens: number;
  /** Whether the context may be made smaller to fit the memory; the memory of a tiny model is not worth looking at. */
  shrinkToFit: boolean;
  /** KV sequences, each with its own context: how many requests run at once. */
  slots: number;
  /** Most threads to compute with; see `threads.ts`. */
  threads: number;
  /** `false` keeps everything on the processor. */
  gpu: "auto" | false;
  /** Layers on the GPU; absent: as many as fit beside the context. */
  gpuLayers?: number;
  /** Absent: as the engine thinks best. */
  flashAttention?: boolean;
  /** Prompt tokens evaluated between two looks at the cancel flag. */
  sliceTokens: number;
  /** Requests that may wait for a slot; more are refused as `queue_full`. Default 64. */
  queueLimit?: number;
  /** `embedding`: only `embed` works on it. Default `chat`. */
  purpose?: ModelPurpose;
  /** How tokens are guessed ahead; absent: not at all. The text stays what the model alone would write. */
  speculation?: Speculation;
  /** The file that turns images into tokens, for engines that can see. */
  projectorPath?: string;
}

export type ModelPurpose = "chat" | "embedding";

/** `lookup` guesses from what the context already says, `draft` with a smaller model of the same vocabulary. */
export type Speculation =
  | { type: "lookup"; maxTokens?: number }
  | { type: "draft"; modelPath: string; maxTokens?: number };

/** What the loaded model says about itself. */
export interface ModelFacts {
  contextTokens: number;
  trainContextTokens: number;
  parameters: number;
  sizeBytes: number;
  slots: number;
  threads: number;
  /** Jinja source from the file's metadata; absent for base models. */
  chatTemplate?: string;
  bosToken: string;
  eosToken: string;
  quantization?: string;
  /** As the file names it: `llama`, `qwen3`. */
  architecture?: string;
  /** Images can be part of a prompt: `GenerateRequest.images`. */
  vision?: boolean;
  /** Stands in a prompt where an image goes. */
  mediaMarker?: string;
  /** Layers that lie on a GPU, and all there are. */
  gpuLayers?: number;
  layers?: number;
  /** Where the time went, for the log. */
  loadMs: { library: number; backend: number; model: number; context: number };
}

/** llama.cpp's sampler settings, as in its server. */
export interface Sampling {
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  seed?: number;
  /** 1 means none. */
  repeatPenalty?: number;
  /** How many of the newest tokens the penalties look at; default 64, -1 all. */
  repeatLastTokens?: number;
  /** -2 to 2, as OpenAI defines them; 0 means none. */
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** Added to the logits of these tokens; -100 or less rules one out. */
  logitBias?: readonly { token: number; bias: number }[];
  /** Go on past the model's end, to `maxTokens`. For measuring. */
  ignoreEnd?: boolean;
}

/** What the reply has to look like. */
export interface ReplyGrammar {
  /** GBNF for the whole answer, from its first token on; thinking before it is free. */
  answer?: string;
  /** GBNF for calls, from the tag that opens one. Not together with `answer`. */
  calls?: CallGrammar;
  /** Between these tags nothing is constrained, and they do not open calls. */
  thinking?: { open: string; close: string; startsInside: boolean };
}

/** A grammar that rules between two tags, or from the start. */
export interface CallGrammar {
  /** GBNF whose root starts right after `open` and ends with `close`. */
  afterOpen: string;
  /** GBNF whose root starts with `open`; set when the call is mandatory, and then it rules from the first token. */
  fromStart?: string;
  open: string;
  close: string;
  /** `text`: the first `close` ends the call. Default `json`: one behind the first object does. */
  body?: "json" | "text";
  /** End the generation with the first complete call. */
  single: boolean;
}

/** Text in which the model's control tokens count, or tokens as they are. */
export type Prompt = string | readonly number[];

export interface GenerateRequest {
  prompt: Prompt;
  /** Images in the order of their `ModelFacts.mediaMarker` in the prompt, which then is text. Only where `vision`. */
  images?: readonly ImageData[];
  /** Absent: what the context leaves. */
  maxTokens?: number;
  sampling: Sampling;
  /** The generation ends before the first of these; it is not part of the text. */
  stop: readonly string[];
  grammar?: ReplyGrammar;
  /** This slot and no other. */
  slot?: number;
  /** Text events carry the log-probability of each token and this many alternatives, 0 to 20; absent: none. Before sampling. */
  logprobs?: number;
}

export interface ImageData {
  /** `image/png`, `image/jpeg`, `image/webp` … */
  mediaType: string;
  base64: string;
}

export interface TokenChance {
  /** The token's text; a part of a character shows as U+FFFD, and `bytes` has what it is. */
  token: string;
  /** Natural logarithm. */
  logprob: number;
  bytes: readonly number[];
}

export interface TokenLogprob extends TokenChance {
  /** The most likely ones, best first. */
  top: readonly TokenChance[];
}

export interface EmbedRequest {
  inputs: readonly Prompt[];
}

export interface Embeddings {
  /** One for each input, of length 1. */
  vectors: readonly (readonly number[])[];
  promptTokens: number;
}

export type ToChild =
  | { type: "load"; options: LoadOptions }
  | { type: "generate"; id: number; request: GenerateRequest }
  | { type: "cancel"; id: number }
  | { type: "slots"; id: number }
  | { type: "tokenize"; id: number; text: string; special: boolean; begin: boolean }
  | { type: "detokenize"; id: number; tokens: readonly number[] }
  | { type: "embed"; id: number; request: EmbedRequest };

/** One KV sequence as it is now. */
export interface SlotState {
  index: number;
  /** A request runs on it. */
  busy: boolean;
  /** Evaluated tokens that it holds. */
  tokens: number;
  /** Number of the newest request on it, counted up over all slots; absent: none yet. */
  lastTask?: number;
}

export interface Timings {
  promptTokens: number;
  cachedTokens: number;
  promptMs: number;
  completionTokens: number;
  completionMs: number;
  /** Time in the queue before the prompt was begun. */
  queuedMs?: number;
  /** Guessed tokens, and how many of them were right. */
  draftedTokens?: number;
  acceptedTokens?: number;
}

export type StopReason = "end" | "stop_string" | "call_complete" | "length" | "cancelled";

/** Why a request or a load failed; `data.reason` of an `AgentError` `engine_failed`. */
export type EngineFailureCode =
  /** The prompt does not fit; such an error has the code `context_overflow` of its own. */
  | "context_overflow"
  | "invalid_request"
  /** This engine cannot do that at all: images, embeddings of a chat model. */
  | "unsupported"
  /** No model has this name. `data.model`. */
  | "model_not_found"
  /** The file cannot be loaded: broken, of an unknown architecture, deleted. */
  | "load_failed"
  /** It would not fit. `data.requiredBytes`, `data.availableBytes`. */
  | "insufficient_memory"
  | "queue_full"
  | "generation_failed"
  /** The process ended while it worked on this request. */
  | "crashed"
  /** The model was unloaded while it worked on this request, or the server ends. */
  | "unloaded";

export interface EngineFailure {
  code: EngineFailureCode;
  message: string;
  promptTokens?: number;
  contextTokens?: number;
}

/** In order: `accepted`, `progress`*, `text`*, `done`. A failure can come at any point instead. */
export type GenerateEvent =
  /** The prompt fits; the request may still have to wait for a slot. */
  | { type: "accepted"; promptTokens: number }
  | { type: "progress"; processed: number; total: number; cached: number; elapsedMs: number }
  | { type: "text"; text: string; logprobs?: readonly TokenLogprob[] }
  /** `stopString`: which of `stop` ended it. */
  | { type: "done"; reason: StopReason; slot: number; timings: Timings; stopString?: string };

export type FromChild =
  | { type: "loaded"; facts: ModelFacts }
  | { type: "load_failed"; message: string }
  | { type: "event"; id: number; event: GenerateEvent }
  | { type: "slots"; id: number; slots: readonly SlotState[] }
  | { type: "tokens"; id: number; tokens: readonly number[] }
  | { type: "detokenized"; id: number; text: string }
  | { type: "embedded"; id: number; embeddings: Embeddings }
  | { type: "failed"; id: number; failure: EngineFailure };
