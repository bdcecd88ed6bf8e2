/** The body of `POST /v1/messages` (https://docs.claude.com/en/api/messages). Unknown fields are ignored. */
import * as z from "zod/mini";
import { commonFields, toCommonSampling, toSlot, toTtlMs } from "../chat/common-fields.ts";
import { parseBody } from "../http/body.ts";
import type { ChatRequest, ReplyFormat } from "../chat/chat-request.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { toEffort, toThinkingVariables } from "../chat/thinking-switch.ts";
import { content, message, toMessages } from "./blocks.ts";
import { continueThread, thread } from "./threads.ts";
import type { Conversation, Threads } from "./threads.ts";
import { parseTools, toChoice, toolChoice } from "./tools.ts";

const optional = z.nullish;
const format = z.looseObject({ type: z.literal("json_schema"), schema: z.looseObject({}) });

/** More than any window holds. */
const MOST_MESSAGES = 100_000;

const messagesBody = z.object({
  model: optional(z.string()),
  messages: z.pipe(z.array(z.unknown()).check(z.maxLength(MOST_MESSAGES)), z.array(message)),
  system: optional(content),
  // Anthropic wants it always; a client of a server that does not charge for tokens need not.
  max_tokens: optional(z.int().check(z.minimum(1))),
  stop_sequences: optional(z.array(z.string().check(z.minLength(1)))),
  stream: optional(z.boolean()),
  tools: optional(z.array(z.unknown())),
  tool_choice: optional(toolChoice),
  thinking: optional(
    z.object({
      type: z.enum(["enabled", "disabled", "adaptive", "between_tools"]),
      display: optional(z.string()),
    }),
  ),
  output_config: optional(z.object({ effort: optional(z.string()), format: optional(format) })),
  // Its name while it was in beta.
  output_format: optional(format),
  thread: optional(thread),
  mcp_servers: optional(z.array(z.unknown())),
  // Some of them are not Anthropic's, but mean the same on every route of this server.
  ...commonFields,
});

type ParsedBody = z.output<typeof messagesBody>;

export interface MessagesBody {
  /** Absent: whichever model is loaded. */
  model: string | undefined;
  stream: boolean;
  /** Rest after which the model is unloaded. */
  ttlMs?: number;
  thinking: ThinkingDisplay;
  request: ChatRequest;
  /** Set where the client wants to go on from the answer without sending all of this again. */
  held?: Conversation<unknown, unknown>;
}

/** Whether blocks of thinking are part of the answer; `omitted`: empty ones, with the thinking in their signature. */
export type ThinkingDisplay = "shown" | "omitted" | "none";

/** Throws `ApiFailure` (400); its message names the field. */
export function parseMessagesBody(text: string, threads: Threads): MessagesBody {
  const body = parseBody(text, messagesBody);
  if ((body.mcp_servers ?? []).length > 0) {
    const why = "`mcp_servers`: this server connects to none; run their tools in the client.";
    throw new ApiFailure(toApiError(400, why, { param: "mcp_servers", code: "unsupported" }));
  }
  const conversation = toConversation(body, threads);
  const tools = parseTools(conversation.tools);
  return {
    model: body.model || undefined,
    stream: body.stream ?? false,
    ...toTtlMs(body),
    thinking: toDisplay(body),
    ...(body.thread ? { held: conversation } : {}),
    request: {
      messages: toMessages(conversation.messages, conversation.system),
      tools: tools.schemas,
      ...toChoice(body.tool_choice, tools.schemas),
      ...(tools.strict.length === 0 ? {} : { strictTools: tools.strict }),
      sampling: toCommonSampling(body),
      stop: body.stop_sequences ?? [],
      format: toFormat(body),
      templateVariables: toVariables(body),
      ...(typeof body.max_tokens === "number" ? { maxTokens: body.max_tokens } : {}),
      ...toSlot(body),
    },
  };
}

function toConversation(
  { messages, system, tools, thread: wanted }: ParsedBody,
  threads: Threads,
): Conversation<z.output<typeof message>, z.output<typeof content> | null> {
  const whole =
    wanted?.type === "continue"
      ? continueThread(threads, wanted.previous_message_id, {
          messages,
          ...(system === undefined ? {} : { system }),
          ...(tools === undefined ? {} : { tools: tools ?? [] }),
        })
      : { messages, system: system ?? null, tools: tools ?? [] };
  if (whole.messages.length > 0) return whole;
  const why = "`messages` is empty: there is nothing to answer.";
  throw new ApiFailure(toApiError(400, why, { param: "messages" }));
}

/** Anthropic promises that the reply keeps to the schema. */
function toFormat({ output_config: config, output_format: old }: ParsedBody): ReplyFormat {
  const wanted = config?.format ?? old;
  return wanted === null || wanted === undefined
    ? { type: "text" }
    : { type: "schema", schema: wanted.schema, strict: true };
}

function thinks({ thinking }: ParsedBody): boolean {
  return thinking !== null && thinking !== undefined && thinking.type !== "disabled";
}

/** Clients that do not ask for thinking take the first block for the text. */
function toDisplay(body: ParsedBody): ThinkingDisplay {
  if (!thinks(body)) return "none";
  return body.thinking?.display === "omitted" ? "omitted" : "shown";
}

function toVariables(body: ParsedBody): Readonly<Record<string, unknown>> {
  const effort = body.output_config?.effort;
  return toThinkingVariables({
    thinks: thinks(body),
    ...(typeof effort === "string" ? { effort: toEffort(effort) } : {}),
  });
}
