/** The body of `POST /v1/chat/completions`, as OpenAI and llama.cpp's server define it. Unknown fields are ignored, as both do. */
import * as z from "zod/mini";
import { unreachable } from "../core/events.ts";
import { messageText } from "../core/message.ts";
import type { ContentPart, Message } from "../core/message.ts";
import type { ToolSchema } from "../core/model.ts";
import { toApiError } from "./errors.ts";
import type { ApiError } from "./errors.ts";

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

const chatRequest = z.object({
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

type ParsedBody = z.output<typeof chatRequest>;

export interface ChatRequest extends Omit<ParsedBody, "messages" | "tools"> {
  messages: Message[];
  tools: ToolSchema[];
}

/** Parses the text of a request body; an error names the field. */
export function parseChatRequest(text: string): ChatRequest | ApiError {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (thrown) {
    return toApiError(400, `The body is no JSON: ${(thrown as Error).message}`, { code: "invalid_json" });
  }
  const parsed = chatRequest.safeParse(body);
  if (!parsed.success) return describeIssue(parsed.error.issues[0], body);
  const image = findImage(parsed.data.messages);
  if (image !== undefined) {
    return toApiError(400, `\`${image.param}\` has the type \`${image.type}\`; this model reads text only.`, {
      param: image.param,
      code: "unsupported_content",
    });
  }
  const request = {
    ...parsed.data,
    messages: parsed.data.messages.map(toMessage),
    tools: (parsed.data.tools ?? []).map(toTool),
  };
  return checkChoice(request) ?? request;
}

export function isApiError(value: ChatRequest | ApiError): value is ApiError {
  return "body" in value && "status" in value;
}

function describeIssue(issue: z.core.$ZodIssue | undefined, body: unknown): ApiError {
  const path = (issue?.path ?? []).map(String);
  const param = path.join(".") || null;
  const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], body);
  const shown = JSON.stringify(value)?.slice(0, 80) ?? "undefined";
  const name = param === null ? "The body" : `\`${param}\``;
  return toApiError(
    400,
    `${name} is \`${shown}\`: ${issue?.message ?? "invalid"}`,
    param === null ? {} : { param },
  );
}

function findImage(messages: ParsedBody["messages"]): { param: string; type: string } | undefined {
  for (const [at, { content }] of messages.entries()) {
    if (!Array.isArray(content)) continue;
    const wrong = content.findIndex(({ type }) => type !== "text");
    if (wrong >= 0) return { param: `messages.${at}.content.${wrong}`, type: content[wrong]?.type ?? "" };
  }
  return undefined;
}

function checkChoice({ tool_choice: choice, tools }: ChatRequest): ApiError | undefined {
  if (choice === undefined || choice === null || choice === "none" || choice === "auto") return undefined;
  if (tools.length === 0)
    return toApiError(400, "`tool_choice` asks for a call, but there are no `tools`.", {
      param: "tool_choice",
    });
  if (typeof choice === "string" || tools.some((tool) => tool.function.name === choice.function.name))
    return undefined;
  return toApiError(400, `\`tool_choice\` names \`${choice.function.name}\`, which is not in \`tools\`.`, {
    param: "tool_choice.function.name",
  });
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
