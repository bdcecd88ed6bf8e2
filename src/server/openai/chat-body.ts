/** The body of `POST /v1/chat/completions`, as OpenAI and llama.cpp's server define it. Unknown fields are ignored, as both do. */
import * as z from "zod/mini";
import { unreachable } from "../../core/events.ts";
import { messageText } from "../../core/message.ts";
import type { ContentPart, Message } from "../../core/message.ts";
import type { ToolSchema } from "../../core/model.ts";
import type { Sampling } from "../../engine/protocol.ts";
import { parseBody } from "../body.ts";
import type { ChatRequest, ToolChoice } from "../chat-request.ts";
import { ApiFailure, toApiError } from "../errors.ts";

const part = z.looseObject({ type: z.string(), text: z.optional(z.string()) });
const content = z.union([z.string(), z.array(part)]);
const optional = z.nullish;

const toolCall = z.object({
  id: z._default(optional(z.string()), ""),
  type: z._default(z.literal("function"), "function"),
  // Some clients keep arguments as objects.
  function: z.object({ name: z.string(), arguments: z.union([z.string(), z.looseObject({})]) }),
});

const message = z.discriminatedUnion("role", [
  z.object({ role: z.enum(["system", "developer"]), content }),
  z.object({ role: z.literal("user"), content }),
  z.object({
    role: z.literal("assistant"),
    content: optional(content),
    reasoning_content: optional(z.string()),
    reasoning: optional(z.string()),
    tool_calls: optional(z.array(toolCall)),
  }),
  z.object({ role: z.literal("tool"), tool_call_id: z._default(optional(z.string()), ""), content }),
]);

const tool = z.object({
  type: z.literal("function"),
  function: z.object({
    name: z.string().check(z.minLength(1)),
    description: optional(z.string()),
    parameters: optional(z.looseObject({})),
  }),
});

/** -1, as some clients send it, means no limit. */
const count = z.int().check(
  z.minimum(-1),
  z.refine((value) => value !== 0, "must not be 0"),
);
const fraction = z.number().check(z.minimum(0), z.maximum(1));

const chatBody = z.object({
  model: optional(z.string()),
  messages: z.array(message).check(z.minLength(1)),
  tools: optional(z.array(tool)),
  tool_choice: optional(
    z.union([
      z.enum(["none", "auto", "required"]),
      z.object({ type: z.literal("function"), function: z.object({ name: z.string() }) }),
    ]),
  ),
  parallel_tool_calls: optional(z.boolean()),
  stream: optional(z.boolean()),
  stream_options: optional(z.object({ include_usage: optional(z.boolean()) })),
  max_tokens: optional(count),
  max_completion_tokens: optional(count),
  temperature: optional(z.number().check(z.minimum(0), z.maximum(5))),
  top_p: optional(fraction),
  top_k: optional(z.int()),
  min_p: optional(fraction),
  seed: optional(z.int()),
  stop: optional(z.union([z.string(), z.array(z.string())])),
  n: optional(z.literal(1)),
  id_slot: optional(z.int()),
  return_progress: optional(z.boolean()),
  chat_template_kwargs: optional(z.looseObject({})),
  response_format: optional(z.object({ type: z.literal("text") })),
});

type ParsedBody = z.output<typeof chatBody>;

export interface ChatBody {
  /** Absent: whichever model is loaded. */
  model: string | undefined;
  stream: boolean;
  includeUsage: boolean;
  includeProgress: boolean;
  request: ChatRequest;
}

/** Parses the text of a request body. Throws `ApiFailure`; its message names the field. */
export function parseChatBody(text: string): ChatBody {
  const body = parseBody(text, chatBody);
  const image = findImage(body.messages);
  if (image !== undefined) {
    throw refuse(
      `\`${image.param}\` has the type \`${image.type}\`; this model reads text only.`,
      image.param,
      "unsupported_content",
    );
  }
  const tools = (body.tools ?? []).map(toTool);
  const toolChoice = toChoice(body.tool_choice, tools);
  return {
    model: body.model || undefined,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    includeProgress: body.return_progress ?? false,
    request: {
      messages: body.messages.map(toMessage),
      tools,
      toolChoice,
      parallelCalls: body.parallel_tool_calls ?? true,
      sampling: toSampling(body),
      stop: typeof body.stop === "string" ? [body.stop] : (body.stop ?? []),
      format: { type: "text" },
      ...toLimits(body),
      ...(body.chat_template_kwargs ? { templateVariables: body.chat_template_kwargs } : {}),
    },
  };
}

function refuse(message: string, param: string, code?: string): ApiFailure {
  return new ApiFailure(toApiError(400, message, { param, ...(code === undefined ? {} : { code }) }));
}

function toLimits(body: ParsedBody): Pick<ChatRequest, "maxTokens" | "slot"> {
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  return {
    ...(typeof maxTokens === "number" && maxTokens > 0 ? { maxTokens } : {}),
    ...(typeof body.id_slot === "number" && body.id_slot >= 0 ? { slot: body.id_slot } : {}),
  };
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

function findImage(messages: ParsedBody["messages"]): { param: string; type: string } | undefined {
  for (const [at, { content }] of messages.entries()) {
    if (!Array.isArray(content)) continue;
    const wrong = content.findIndex(({ type }) => type !== "text");
    if (wrong >= 0) return { param: `messages.${at}.content.${wrong}`, type: content[wrong]?.type ?? "" };
  }
  return undefined;
}

function toChoice(choice: ParsedBody["tool_choice"], tools: readonly ToolSchema[]): ToolChoice {
  if (choice === undefined || choice === null) return "auto";
  if (choice === "none" || choice === "auto") return choice;
  if (tools.length === 0)
    throw refuse("`tool_choice` asks for a call, but there are no `tools`.", "tool_choice");
  if (typeof choice === "string") return choice;
  const { name } = choice.function;
  if (tools.some((one) => one.function.name === name)) return { name };
  throw refuse(`\`tool_choice\` names \`${name}\`, which is not in \`tools\`.`, "tool_choice.function.name");
}

function toMessage(message: ParsedBody["messages"][number]): Message {
  const text = toText(message.content);
  switch (message.role) {
    case "system":
    case "developer":
      return { role: "system", content: text };
    case "user":
      return { role: "user", content: text };
    case "tool":
      return { role: "tool", tool_call_id: message.tool_call_id ?? "", content: text };
    case "assistant": {
      const reasoning = message.reasoning_content ?? message.reasoning;
      const calls = message.tool_calls ?? [];
      return {
        role: "assistant",
        content: text,
        ...(typeof reasoning === "string" ? { reasoning_content: reasoning } : {}),
        ...(calls.length === 0 ? {} : { tool_calls: calls.map(toToolCall) }),
      };
    }
    default:
      return unreachable(message);
  }
}

/** Only text parts are left here: `findImage` looked. */
function toText(content: ParsedBody["messages"][number]["content"]): string {
  return messageText({ role: "user", content: (content ?? "") as string | ContentPart[] });
}

function toToolCall({ id, function: { name, arguments: input } }: z.output<typeof toolCall>) {
  return {
    id: id ?? "",
    type: "function" as const,
    function: { name, arguments: typeof input === "string" ? input : JSON.stringify(input) },
  };
}

function toTool({ function: { name, description, parameters } }: z.output<typeof tool>): ToolSchema {
  return {
    type: "function",
    function: {
      name,
      description: description ?? "",
      parameters: parameters ?? { type: "object", properties: {} },
    },
  };
}
