/** What tells model servers apart: the routes that say what is loaded, the words for a prompt that is too long, and the counts they give. */
import { unreachable } from "../core/events.ts";
import { errorReply, jsonReply, type ScriptedReply } from "./scripted-replies.ts";

export const WINDOWED_KINDS = ["llama-server", "lmstudio", "ollama", "vllm", "openai"] as const;

export type WindowedKind = (typeof WINDOWED_KINDS)[number];

export interface ServerFacts {
  model: string;
  contextTokens: number;
  slots: number;
}

export interface TokenCounts {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  /** Wanted by the request; absent: what the window leaves. */
  maxTokens?: number;
}

/** Replies of the routes by which a client learns what this server is and how much fits. */
export function describeRoutes(
  kind: WindowedKind,
  { model, contextTokens, slots }: ServerFacts,
): Record<string, ScriptedReply> {
  const list = (entry: object): ScriptedReply =>
    jsonReply({ object: "list", data: [{ id: model, object: "model", created: 0, ...entry }] });
  switch (kind) {
    case "llama-server":
      return {
        "GET /v1/models": list({ owned_by: "llamacpp", meta: { n_ctx_train: 131_072 } }),
        "GET /props": jsonReply({
          default_generation_settings: { n_ctx: contextTokens },
          total_slots: slots,
          model_path: `/models/${model}.gguf`,
        }),
      };
    case "lmstudio":
      return {
        "GET /v1/models": list({ owned_by: "organization_owner" }),
        "GET /api/v1/models": jsonReply({
          models: [
            {
              type: "llm",
              key: model,
              max_context_length: 131_072,
              loaded_instances: [{ id: model, config: { context_length: contextTokens, parallel: slots } }],
            },
          ],
        }),
      };
    case "ollama":
      return {
        "GET /v1/models": list({ owned_by: "library" }),
        "GET /api/ps": jsonReply({ models: [{ name: model, model, context_length: contextTokens }] }),
      };
    case "vllm":
      return { "GET /v1/models": list({ owned_by: "vllm", max_model_len: contextTokens }) };
    case "openai":
      return { "GET /v1/models": list({ owned_by: "system" }) };
    default:
      return unreachable(kind);
  }
}

/** What each slot of llama-server holds: `GET /slots`. */
export function toSlots(contextTokens: number, held: readonly number[]): ScriptedReply {
  return jsonReply(
    held.map((tokens, id) => ({
      id,
      n_ctx: contextTokens,
      is_processing: false,
      n_prompt_tokens: tokens,
      id_task: tokens > 0 ? id : -1,
    })),
  );
}

/**
 * Refuses a prompt that does not fit, in the server's own words and with its status; `undefined` when it fits. vLLM and OpenAI count the
 * reply that was asked for as well.
 */
export function toOverflowReply(
  kind: WindowedKind,
  contextTokens: number,
  { promptTokens, maxTokens = 0 }: Pick<TokenCounts, "promptTokens" | "maxTokens">,
): ScriptedReply | undefined {
  const both = kind === "vllm" || kind === "openai";
  if (promptTokens < contextTokens && (!both || promptTokens + maxTokens <= contextTokens)) return undefined;
  switch (kind) {
    case "llama-server":
      return errorReply(
        400,
        `request (${promptTokens} tokens) exceeds the available context size (${contextTokens} tokens), try increasing it`,
        { type: "exceed_context_size_error", n_prompt_tokens: promptTokens, n_ctx: contextTokens },
      );
    case "lmstudio":
      return jsonReply(
        {
          error: `Trying to keep the first ${promptTokens} tokens when context the overflows. However, the model is loaded with context length of only ${contextTokens} tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input`,
        },
        { status: 400 },
      );
    case "ollama":
      return errorReply(400, "the input length exceeds the context length", {
        type: "invalid_request_error",
        code: null,
      });
    case "vllm":
      return jsonReply(
        {
          object: "error",
          message: `This model's maximum context length is ${contextTokens} tokens. However, you requested ${promptTokens + maxTokens} tokens (${promptTokens} in the messages, ${maxTokens} in the completion). Please reduce the length of the messages or completion.`,
          type: "BadRequestError",
          code: 400,
        },
        { status: 400 },
      );
    case "openai":
      return errorReply(
        400,
        `This model's maximum context length is ${contextTokens} tokens. However, your messages resulted in ${promptTokens + maxTokens} tokens. Please reduce the length of the messages.`,
        { type: "invalid_request_error", param: "messages", code: "context_length_exceeded" },
      );
    default:
      return unreachable(kind);
  }
}

/** Only some servers tell what they had in their cache; rates are made up but steady. */
export function toCounters(
  kind: WindowedKind,
  { promptTokens, cachedTokens, completionTokens }: TokenCounts,
): { usage: Record<string, unknown>; timings?: Record<string, unknown> } {
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
  const detailed = { ...usage, prompt_tokens_details: { cached_tokens: cachedTokens } };
  if (kind === "lmstudio" || kind === "ollama") return { usage };
  if (kind !== "llama-server") return { usage: detailed };
  const evaluated = promptTokens - cachedTokens;
  return {
    usage: detailed,
    timings: {
      cache_n: cachedTokens,
      prompt_n: evaluated,
      prompt_ms: evaluated * 2,
      prompt_per_second: 500,
      predicted_n: completionTokens,
      predicted_ms: completionTokens * 50,
      predicted_per_second: 20,
    },
  };
}
