/** The body of `POST /v1/responses` (https://platform.openai.com/docs/api-reference/responses/create). Unknown fields are ignored. */
import * as z from "zod/mini";
import { commonFields, toCommonSampling, toSlot, toTtlMs } from "../chat/common-fields.ts";
import { parseBody } from "../http/body.ts";
import type { ChatRequest, ReplyFormat } from "../chat/chat-request.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { toEffort, toThinkingVariables } from "../chat/thinking-switch.ts";
import { parseInput } from "./items.ts";
import type { Item } from "./items.ts";
import { parseTools } from "./tools.ts";
import type { ToolTable } from "./tools.ts";

const optional = z.nullish;

const format = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({
    type: z.literal("json_schema"),
    name: optional(z.string()),
    description: optional(z.string()),
    schema: z.looseObject({}),
    strict: optional(z.boolean()),
  }),
]);

/** More than any window holds. */
const MOST_ITEMS = 100_000;

const responsesBody = z.object({
  model: optional(z.string()),
  input: optional(z.union([z.string(), z.array(z.unknown()).check(z.maxLength(MOST_ITEMS))])),
  instructions: optional(z.string()),
  previous_response_id: optional(z.string()),
  conversation: optional(z.unknown()),
  prompt: optional(z.unknown()),
  background: optional(z.boolean()),
  store: optional(z.boolean()),
  stream: optional(z.boolean()),
  include: optional(z.array(z.string())),
  tools: optional(z.array(z.unknown())),
  tool_choice: optional(z.unknown()),
  parallel_tool_calls: optional(z.boolean()),
  text: optional(z.object({ format: optional(format), verbosity: optional(z.string()) })),
  reasoning: optional(
    z.object({
      effort: optional(z.string()),
      summary: optional(z.string()),
      generate_summary: optional(z.string()),
    }),
  ),
  max_output_tokens: optional(z.int().check(z.minimum(1))),
  top_logprobs: optional(z.int().check(z.minimum(0), z.maximum(20))),
  metadata: optional(z.record(z.string(), z.unknown())),
  user: optional(z.string()),
  safety_identifier: optional(z.string()),
  prompt_cache_key: optional(z.string()),
  // Some of them are not OpenAI's, but mean the same on every route of this server.
  ...commonFields,
});

type ParsedBody = z.output<typeof responsesBody>;

export interface ResponsesBody {
  /** Absent: whichever model is loaded. */
  model: string | undefined;
  stream: boolean;
  store: boolean;
  /** Rest after which the model is unloaded. */
  ttlMs?: number;
  previousId: string | undefined;
  instructions: string;
  /** What this request adds to the conversation; references are not followed yet. */
  items: readonly Item[];
  tools: ToolTable;
  /** Thinking leaves as a summary, which is what clients show that ask for one. */
  asSummary: boolean;
  /** Thinking comes back sealed from clients that keep nothing here. */
  sealed: boolean;
  request: Omit<ChatRequest, "messages">;
  /** What the response repeats of the request. */
  echo: Readonly<Record<string, unknown>>;
}

/** Throws `ApiFailure` (400); its message names the field. */
export function parseResponsesBody(text: string): ResponsesBody {
  const body = parseBody(text, responsesBody);
  refuseUnsupported(body);
  const items = parseInput(toInput(body));
  const tools = parseTools([...(body.tools ?? []), ...findAdditionalTools(items)], body.tool_choice);
  const include = body.include ?? [];
  const summary = body.reasoning?.summary ?? body.reasoning?.generate_summary ?? "none";
  return {
    model: body.model || undefined,
    stream: body.stream ?? false,
    store: body.store ?? true,
    ...toTtlMs(body),
    previousId: body.previous_response_id || undefined,
    instructions: body.instructions ?? "",
    items,
    tools,
    asSummary: summary !== "none",
    sealed: include.includes("reasoning.encrypted_content"),
    request: {
      tools: tools.schemas,
      ...(tools.strict.length === 0 ? {} : { strictTools: tools.strict }),
      toolChoice: tools.choice,
      parallelCalls: body.parallel_tool_calls ?? true,
      sampling: toCommonSampling(body),
      stop: [],
      format: toFormat(body),
      ...toOptions(body, include),
    },
    echo: toEcho(body, tools),
  };
}

function refuseUnsupported(body: ParsedBody): void {
  const refuse = (param: string, why: string): ApiFailure =>
    new ApiFailure(toApiError(400, `\`${param}\`: ${why}`, { param, code: "unsupported" }));
  if (body.background === true)
    throw refuse("background", "this server answers while the client waits; leave it out or send `false`.");
  if (body.conversation !== undefined && body.conversation !== null)
    throw refuse("conversation", "this server keeps no conversations; use `previous_response_id`.");
  if (body.prompt !== undefined && body.prompt !== null)
    throw refuse("prompt", "this server keeps no prompts; send `instructions` and `input`.");
}

function toInput({ input, previous_response_id: previous }: ParsedBody): string | readonly unknown[] {
  if (input === undefined || input === null) {
    if (typeof previous === "string" && previous !== "") return [];
    const message = "`input` is missing: send a text or a list of items, or `previous_response_id`.";
    throw new ApiFailure(toApiError(400, message, { param: "input", code: "missing_required_parameter" }));
  }
  return input;
}

/** Codex adds tools in the middle of a conversation. */
function findAdditionalTools(items: readonly Item[]): unknown[] {
  return items.flatMap(({ type, tools }) =>
    type === "additional_tools" && Array.isArray(tools) ? tools : [],
  );
}

function toFormat({ text }: ParsedBody): ReplyFormat {
  const wanted = text?.format;
  if (wanted?.type === "json_object") return { type: "json" };
  if (wanted?.type !== "json_schema") return { type: "text" };
  return { type: "schema", schema: wanted.schema, strict: wanted.strict ?? false };
}

function toOptions(
  body: ParsedBody,
  include: readonly string[],
): Pick<ChatRequest, "maxTokens" | "slot" | "logprobs" | "templateVariables"> {
  const { max_output_tokens: maxTokens, top_logprobs: top } = body;
  const logprobs = include.includes("message.output_text.logprobs") || (top ?? 0) > 0;
  const effort = body.reasoning?.effort;
  return {
    ...(typeof maxTokens === "number" ? { maxTokens } : {}),
    ...toSlot(body),
    ...(logprobs ? { logprobs: top ?? 0 } : {}),
    ...(typeof effort === "string" ? { templateVariables: toVariables(effort) } : {}),
  };
}

function toVariables(effort: string): Readonly<Record<string, unknown>> {
  return effort === "none"
    ? toThinkingVariables({ thinks: false })
    : toThinkingVariables({ thinks: true, effort: toEffort(effort) });
}

function toEcho(body: ParsedBody, tools: ToolTable): Readonly<Record<string, unknown>> {
  return {
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: null,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: body.reasoning?.summary ?? null },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: "default",
    store: body.store ?? true,
    text: { format: body.text?.format ?? { type: "text" }, verbosity: body.text?.verbosity ?? "medium" },
    tool_choice: body.tool_choice ?? "auto",
    tools: tools.echo,
    top_logprobs: body.top_logprobs ?? 0,
    // Nothing is ever cut to fit, whatever the request says.
    truncation: "disabled",
    user: body.user ?? null,
    metadata: body.metadata ?? {},
  };
}
