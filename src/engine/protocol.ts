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
  /** Prompt tokens evaluated between two looks at the cancel flag. */
  sliceTokens: number;
}

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
}

/** A grammar that rules between two tags, or from the start. */
export interface CallGrammar {
  /** GBNF whose root starts right after `open` and ends with `close`. */
  afterOpen: string;
  /** GBNF whose root starts with `open`; set when the call is mandatory, and then it rules from the first token. */
  fromStart?: string;
  open: string;
  close: string;
  /** End the generation with the first complete call. */
  single: boolean;
  /** Inside these tags `open` is only text. */
  quiet: { open: string; close: string; startsInside: boolean };
}

export interface GenerateRequest {
  prompt: string;
  /** Absent: what the context leaves. */
  maxTokens?: number;
  sampling: Sampling;
  /** The generation ends before the first of these; it is not part of the text. */
  stop: readonly string[];
  grammar?: CallGrammar;
  /** This slot and no other. */
  slot?: number;
}

export type ToChild =
  | { type: "load"; options: LoadOptions }
  | { type: "generate"; id: number; request: GenerateRequest }
  | { type: "cancel"; id: number }
  | { type: "slots"; id: number };

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
}

export type StopReason = "end" | "stop_string" | "call_complete" | "length" | "cancelled";

/** Why a request failed; the child itself lives on. */
type EngineFailureCode =
  | "context_overflow"
  | "invalid_request"
  | "queue_full"
  | "load_failed"
  | "generation_failed"
  | "crashed";

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
  | { type: "text"; text: string }
  | { type: "done"; reason: StopReason; slot: number; timings: Timings };

export type FromChild =
  | { type: "loaded"; facts: ModelFacts }
  | { type: "load_failed"; message: string }
  | { type: "event"; id: number; event: GenerateEvent }
  | { type: "slots"; id: number; slots: readonly SlotState[] }
  | { type: "failed"; id: number; failure: EngineFailure };
