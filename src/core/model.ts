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
  /**
   * `required` is the second chance after unusable calls: a call is forced in the way this server knows (tool choice, or a JSON schema).
   * `none`: the tools stay in the prompt, which servers have read already, and none is to be called. Absent: the model decides.
   */
  toolChoice?: "required" | "none";
  /** Most tokens of thinking, for servers that can limit it; the loop stops it in any case. */
  thinkingTokens?: number;
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
  /** With finish `cut`: what the server itself said when it broke off, in one line. */
  failure?: string;
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
  /** `false`: the server loads it with the first request, and what is said of its window is what it will be given. Absent: loaded, or not told. */
  loaded?: false;
  /** Tokens that the model was trained for, when the server says. */
  trainedTokens?: number;
  /** KV slots of the server, when it says. */
  slots?: number;
  vision?: boolean;
  quantization?: string;
  /** First 16 hexadecimal digits of the SHA-256 of the chat template, where the server shows it. */
  templateHash?: string;
  /** What is wrong with the chat template, in words: it drops tools, or refuses a system message. */
  templateFaults?: readonly string[];
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
  /** With `recentRequests`: fewer are sent when they and what follows them would be longer than so many bytes of JSON. */
  recentBytes?: number;
  /** Tool results are cut to so many bytes; absent: by the window. */
  resultBytes?: number;
  /** Tool results reach the model with these fields only; absent: all. */
  resultFields?: readonly string[];
  /**
   * Files may be changed only under names that stand in a request that is sent or were read for an earlier one, and nothing when the newest one holds a negation:
   * for a model that makes names up when it is lost.
   */
  namedPathsOnly?: boolean;
  /** Only these tools are offered; absent: all. */
  tools?: readonly string[];
  /** Most tokens of thinking in one turn; absent: a share of the window. */
  thinkingTokens?: number;
  /** Tokens of the window that the model makes good use of, when fewer than fit. */
  usableTokens?: number;
  /** What `lmagent probe` found out; absent: not probed. */
  probe?: ProbeFindings;
}

/** What a short test of a model on its server has shown. Every field can be overridden in the configuration. */
export interface ProbeFindings {
  /** ISO 8601, UTC. */
  probedAt: string;
  /** Calls come as `tool_calls` of the protocol. */
  nativeCalls?: boolean;
  /** Two independent calls come in one reply. */
  parallelCalls?: boolean;
  /** The form in which calls come when not natively, by the name of its rescue. */
  textForm?: string;
  /** Copies the old text of an edit exactly. */
  exactEdits?: boolean;
  /** `switchable`: it stops thinking when asked to. */
  thinking?: "none" | "always" | "switchable";
  /** What stops it: `thinkingTokens: 0` in the request, or `/no_think` at the end of the user's message. */
  thinkingSwitch?: "request" | "text";
  vision?: boolean;
  /** The server can force a call: by tool choice, by a JSON schema, or not. */
  forcedCalls?: "tool_choice" | "json_schema" | "none";
  /** Recalls a word from the far end of a prompt of so many tokens; it is a limit only where `recallFailedTokens` says so. */
  usableTokens?: number;
  /** Did not recall it from the far end of a prompt of so many tokens. */
  recallFailedTokens?: number;
  prefillTokensPerSecond?: number;
  decodeTokensPerSecond?: number;
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
  /**
   * The KV slot for a role (`main`, or that of a sub-agent), to be sent as `ModelRequest.slot`: the same for the same role each time, and
   * another one than those of other roles and of other agents while there are free ones. `undefined` where the server has one slot, none that
   * is free, or none that can be asked for. `prefer`: the slot that this conversation had before, which may still hold its prompt.
   */
  acquireSlot?(
    role: string,
    options?: { prefer?: number; avoid?: readonly number[]; signal?: AbortSignal },
  ): Promise<number | undefined>;
}
