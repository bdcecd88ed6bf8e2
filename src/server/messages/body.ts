/** The body of `POST /v1/messages` (https://docs.claude.com/en/api/messages). Unknown fields are ignored. */
import * as z from "zod/mini";
import type { Sampling } from "../../engine/protocol.ts";
import { parseBody } from "../http/body.ts";
import type { ChatRequest, ReplyFormat } from "../chat/chat-request.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { toEffort, toThinkingVariables } from "../chat/thinking-switch.ts";
import { content, message, toMessages } from "./blocks.ts";
import { continueThread, thread } from "./threads.ts";
import type { Conversation, Threads } from "./threads.ts";
import { parseTools, toChoice, toolChoice } from "./tools.ts";

const optional = z.nullish;
const fraction = z.number().check(z.minimum(0), z.maximum(1));
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
  temperature: optional(z.number().check(z.minimum(0), z.maximum(5))),
  top_p: optional(fraction),
  top_k: optional(z.int()),
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
  // Not Anthropic's, but with the same meaning on every route of this server.
  min_p: optional(fraction),
  seed: optional(z.int()),
  id_slot: optional(z.int()),
  ttl: optional(z.number().check(z.minimum(0), z.maximum(31_536_000))),
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
    ...(typeof body.ttl === "number" ? { ttlMs: body.ttl * 1000 } : {}),
    thinking: toDisplay(body),
    ...(body.thread ? { held: conversation } : {}),
    request: {
      messages: toMessages(conversation.messages, conversation.system),
      tools: tools.schemas,
      ...toChoice(body.tool_choice, tools.schemas),
      ...(tools.strict.length === 0 ? {} : { strictTools: tools.strict }),
      sampling: toSampling(body),
      stop: body.stop_sequences ?? [],
      format: toFormat(body),
      templateVariables: toVariables(body),
      ...(typeof body.max_tokens === "number" ? { maxTokens: body.max_tokens } : {}),
      ...(typeof body.id_slot === "number" && body.id_slot >= 0 ? { slot: body.id_slot } : {}),
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

function toSampling(body: ParsedBody): Partial<Sampling> {
  const { temperature, top_p: topP, top_k: topK, min_p: minP, seed } = body;
  return {
    ...(typeof temperature === "number" ? { temperature } : {}),
    ...(typeof topP === "number" ? { topP } : {}),
    ...(typeof topK === "number" ? { topK } : {}),
    ...(typeof minP === "number" ? { minP } : {}),
    ...(typeof seed === "number" && seed >= 0 ? { seed } : {}),
  };
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
