import type { ModelRequest, ServerKind } from "../core/model.ts";
import type { CallForce } from "./forced-call.ts";
import { toCallFormat } from "./forced-call.ts";

/** Fields that a server may refuse and that a reply can do without. `reasoning_content` is one of messages. */
export const OPTIONAL_FIELDS = [
  "stream_options",
  "temperature",
  "max_tokens",
  "max_completion_tokens",
  "tool_choice",
  "response_format",
  "cache_prompt",
  "return_progress",
  "id_slot",
  "thinking_budget_tokens",
  "thinking_token_budget",
  "chat_template_kwargs",
  "reasoning_effort",
  "reasoning_content",
] as const;

export type OptionalField = (typeof OPTIONAL_FIELDS)[number];

export type OptionalFields = Partial<Record<OptionalField, unknown>>;

export interface RequestFieldOptions {
  server: ServerKind | undefined;
  temperature: number | undefined;
  maxTokens: number | undefined;
  /** How a call is forced, when the request wants one; `undefined`: not at all. */
  force: CallForce | undefined;
  /** Refused by this server before. */
  refused: ReadonlySet<OptionalField>;
}

/** All that goes in front of tools and messages. */
export function toOptionalFields(request: ModelRequest, options: RequestFieldOptions): OptionalFields {
  const { server, temperature, maxTokens, refused } = options;
  const slots = server === "llama-server" || server === "lmagent";
  const optional: OptionalFields = {
    stream_options: { include_usage: true },
    temperature,
    max_tokens: maxTokens,
    // The newer name, only for servers that insist on it.
    ...(refused.has("max_tokens") ? { max_completion_tokens: maxTokens } : {}),
    ...(request.tools.length > 0 ? toChoiceFields(request, options) : {}),
    ...toThinkingFields(request.thinkingTokens, server),
    ...(slots ? { cache_prompt: true, return_progress: true, id_slot: request.slot } : {}),
  };
  for (const field of refused) delete optional[field];
  return optional;
}

/**
 * These keep the tools in the prompt when none is to be called: llama-server (`common_chat_templates_apply` renders them whatever the choice
 * is), vLLM without `--exclude-tools-when-tool-choice-none`, and ours. Others take them out (SGLang, mlx-vlm) or do not say, and then
 * everything after them would be read again; what the prompt says has to do there.
 */
const KEEP_TOOLS: readonly ServerKind[] = ["lmagent", "llama-server", "vllm"];

function toChoiceFields(
  { toolChoice, tools }: ModelRequest,
  { server, force }: RequestFieldOptions,
): OptionalFields {
  if (toolChoice === "none") {
    return server !== undefined && KEEP_TOOLS.includes(server) ? { tool_choice: "none" } : {};
  }
  if (toolChoice !== "required" || force === undefined) return {};
  return force === "tool_choice" ? { tool_choice: "required" } : { response_format: toCallFormat(tools) };
}

/**
 * A budget goes to llama-server (`thinking_budget_tokens`, ggml-org/llama.cpp#20297) and vLLM (`thinking_token_budget`, with a reasoning
 * parser). No thinking at all is a switch of the template, or of Ollama an effort. Elsewhere the loop alone keeps the budget.
 */
function toThinkingFields(tokens: number | undefined, server: ServerKind | undefined): OptionalFields {
  if (tokens === undefined || !(tokens >= 0)) return {};
  const budget = Math.floor(tokens);
  const off = budget === 0 ? { chat_template_kwargs: { enable_thinking: false } } : {};
  switch (server) {
    case "llama-server":
      return { thinking_budget_tokens: budget, ...off };
    case "vllm":
      return budget === 0 ? off : { thinking_token_budget: budget };
    case "lmagent":
      return off;
    case "ollama":
      return budget === 0 ? { reasoning_effort: "none" } : {};
    default:
      return {};
  }
}
