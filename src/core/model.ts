/**
 * The contract between the loop and whatever produces replies. Implementations live in `models`;
 * a model is always reached over HTTP.
 */
import type { Message } from "./message.ts";
import type { JsonSchema } from "./tool.ts";

export interface ToolSchema {
  type: "function";
  function: { name: string; description: string; parameters: JsonSchema };
}

export interface ModelRequest {
  messages: readonly Message[];
  tools: readonly ToolSchema[];
  temperature?: number;
  /** Upper bound of tokens to generate; absent means what the window leaves. */
  maxTokens?: number;
  /** The second chance after unusable calls; absent: the model decides. */
  toolChoice?: "required";
  /** KV slot to use, on servers that have slots (`id_slot` of llama-server). */
  slot?: number;
}

/** A call that the model wants, already assembled, repaired and named as well as can be. */
export interface ProposedCall {
  /** Unique within the conversation; made up here when the server gave none. */
  id: string;
  name: string;
  /** The parsed arguments; `undefined` when they cannot be used, and then `problem` says why. */
  arguments: Readonly<Record<string, unknown>> | undefined;
  /** What the model wrote, for the log and for error texts. */
  raw: string;
  /** Set when this call must not run: broken beyond repair, cut off, unknown tool. Goes back to the model. */
  problem?: string;
  /** Set when the call did not come as a well-formed native call: how it was recovered, for counting. */
  rescued?: string;
}

/** `cut`: the connection ended before the reply did. */
export type FinishReason = "stop" | "tool_calls" | "length" | "cut" | "content_filter";

export interface ModelReply {
  /** Text meant for the user: thinking and recovered calls removed. */
  text: string;
  thinking: string;
  calls: readonly ProposedCall[];
  finish: FinishReason;
}

/** Token counts and rates as the server itself reports them; absent where it does not. */
export interface Usage {
  promptTokens?: number;
  cachedTokens?: number;
  completionTokens?: number;
  prefillTokensPerSecond?: number;
  decodeTokensPerSecond?: number;
}

export type ModelEvent =
  /** The server is reading the prompt: `processed` of `total` tokens, `cached` of them for free. */
  | { type: "prefill_progress"; processed: number; total: number; cached: number }
  | { type: "thinking_delta"; text: string }
  | { type: "text_delta"; text: string }
  /** Arguments of a call are arriving; for display only. `bytes` so far. */
  | { type: "call_progress"; name: string; bytes: number }
  /** A request failed and will be sent again after `delayMs`. */
  | { type: "retry"; attempt: number; delayMs: number; why: string }
  | { type: "usage"; usage: Usage }
  /** Always last, exactly once. */
  | { type: "finished"; reply: ModelReply };

export type ServerKind = "lmagent" | "llama-server" | "lmstudio" | "ollama" | "vllm" | "openai-compatible";

export interface ModelInfo {
  id: string;
  server: ServerKind;
  baseUrl: string;
  /** Tokens that fit now, as loaded; `undefined` when the server does not say. */
  contextTokens?: number;
  /** KV slots of the server, when it says. */
  slots?: number;
  vision?: boolean;
  quantization?: string;
  profile: ModelProfile;
}

/** What one model needs to do well; the default profile sets nothing. */
export interface ModelProfile {
  name: string;
  /** Shown once when the model was chosen for the user. */
  notice?: readonly string[];
  temperature?: number;
  maxTokens?: number;
  /** Only the newest so many user requests (and what follows them) are sent; absent: all. */
  recentRequests?: number;
  /** Tool results are cut to so many bytes; absent: by the window. */
  resultBytes?: number;
  /** Tool results reach the model with these fields only; absent: all. */
  resultFields?: readonly string[];
  /**
   * Files may be changed only under names that stand in the request, and nothing when the request holds a negation: for a model
   * that makes names up when it is lost.
   */
  namedPathsOnly?: boolean;
  /** Only these tools are offered; absent: all. */
  tools?: readonly string[];
}

export interface Model {
  readonly id: string;
  /**
   * Reads server kind, window and profile. Call once before the first turn; the answer is kept.
   * Throws `AgentError` `model_unavailable` within 2 s of a refused connection, `model_rejected` for an unknown model.
   */
  describe(options: { signal?: AbortSignal }): Promise<ModelInfo>;
  /**
   * Yields in order and ends with `finished`. Stops promptly on abort (throws the signal's reason).
   * Throws `AgentError` `model_unavailable`, `model_rejected`, `model_protocol` or `context_overflow` when no
   * usable reply can come; a connection lost after the first delta is a `finished` with finish `cut` instead.
   */
  stream(request: ModelRequest, options: { signal: AbortSignal }): AsyncIterable<ModelEvent>;
}
