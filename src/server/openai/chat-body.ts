/** The body of `POST /v1/chat/completions`, as OpenAI and llama.cpp's server define it. Unknown fields are ignored, as both do. */
import * as z from "zod/mini";
import { parseBody } from "../http/body.ts";
import type { ChatRequest } from "../chat/chat-request.ts";
import { toSlot, toTtlMs } from "../chat/common-fields.ts";
import { toEffort, toThinkingVariables } from "../chat/thinking-switch.ts";
import { messageSchema, toMessages } from "./messages.ts";
import { refuse } from "./refuse.ts";
import { formatFields, toFormat } from "./response-format.ts";
import { count, generationFields, toSampling, toStop } from "./sampling.ts";
import { toolFields, toTools } from "./tool-fields.ts";

const optional = z.nullish;

const chatBody = z.object({
  ...generationFields,
  ...toolFields,
  ...formatFields,
  model: optional(z.string()),
  messages: z.array(messageSchema).check(z.minLength(1)),
  max_completion_tokens: optional(count),
  logprobs: optional(z.boolean()),
  top_logprobs: optional(z.int().check(z.minimum(0), z.maximum(20))),
  chat_template_kwargs: optional(z.looseObject({})),
  reasoning_effort: optional(z.enum(["none", "minimal", "low", "medium", "high", "xhigh"])),
  reasoning_format: optional(z.string()),
});

type ParsedBody = z.output<typeof chatBody>;

export interface ChatBody {
  /** Absent: whichever model is loaded. */
  model: string | undefined;
  stream: boolean;
  includeUsage: boolean;
  includeProgress: boolean;
  /** How many answers. */
  n: number;
  /** Rest after which the model may go; absent: as it was. */
  ttlMs?: number;
  /** Calls leave as `function_call`, as clients from before tools want them. */
  legacyCalls: boolean;
  request: ChatRequest;
}

/** Parses the text of a request body. Throws `ApiFailure`; its message names the field. */
export function parseChatBody(text: string): ChatBody {
  const body = parseBody(text, chatBody);
  const { legacy, ...tools } = toTools(body);
  return {
    model: body.model || undefined,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    includeProgress: body.return_progress ?? false,
    n: body.n ?? 1,
    legacyCalls: legacy,
    ...toTtlMs(body),
    request: {
      ...tools,
      messages: toMessages(body.messages),
      sampling: toSampling(body),
      stop: toStop(body.stop),
      format: toFormat(body),
      ...toMaxTokens(body),
      ...toSlot(body),
      ...toLogprobs(body),
      ...toTemplateVariables(body),
      ...(body.reasoning_format === "none" ? { inlineThinking: true } : {}),
    },
  };
}

function toMaxTokens(body: ParsedBody): { maxTokens?: number } {
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  return typeof maxTokens === "number" && maxTokens > 0 ? { maxTokens } : {};
}

function toLogprobs({ logprobs, top_logprobs: top }: ParsedBody): { logprobs?: number } {
  if (logprobs === true) return { logprobs: top ?? 0 };
  if (typeof top !== "number" || top === 0) return {};
  throw refuse("`top_logprobs` goes only with `logprobs: true`.", "top_logprobs");
}

/** Variables that are named win over what an effort means. */
function toTemplateVariables(body: ParsedBody): Pick<ChatRequest, "templateVariables"> {
  const { reasoning_effort: effort, chat_template_kwargs: named } = body;
  const variables: Record<string, unknown> = {
    ...(effort === "none" ? toThinkingVariables({ thinks: false }) : {}),
    ...(typeof effort === "string" && effort !== "none"
      ? toThinkingVariables({ thinks: true, effort: toEffort(effort) })
      : {}),
    ...named,
  };
  return Object.keys(variables).length === 0 ? {} : { templateVariables: variables };
}
