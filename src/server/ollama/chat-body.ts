/** The body of `POST /api/chat` (https://docs.ollama.com/api/chat). Unknown fields are ignored. */
import * as z from "zod/mini";
import type { ContentPart, Message, ToolCall } from "../../core/message.ts";
import type { ToolSchema } from "../../core/model.ts";
import type { OllamaLayers } from "../../engine/catalog/catalog.ts";
import { parseBody } from "../http/body.ts";
import { CHAT_DEFAULTS } from "../chat/chat-request.ts";
import type { ChatRequest } from "../chat/chat-request.ts";
import { imagesField, sharedFields, toImageParts, toRequestPart, toShared } from "./request-fields.ts";
import type { SharedRequest } from "./request-fields.ts";
import { toHistoryCall } from "./tool-calls.ts";

const message = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: z.nullish(z.string()),
  thinking: z.nullish(z.string()),
  images: imagesField,
  tool_calls: z.nullish(
    z.array(
      z.object({
        id: z.nullish(z.string()),
        function: z.object({
          name: z.string(),
          arguments: z.optional(z.union([z.looseObject({}), z.string()])),
        }),
      }),
    ),
  ),
  tool_name: z.nullish(z.string()),
  tool_call_id: z.nullish(z.string()),
});

const tool = z.object({
  type: z._default(z.nullish(z.literal("function")), "function"),
  function: z.object({
    name: z.string().check(z.minLength(1)),
    description: z.nullish(z.string()),
    parameters: z.nullish(z.looseObject({})),
  }),
});

const chatBody = z.object({
  ...sharedFields,
  messages: z.nullish(z.array(message)),
  tools: z.nullish(z.array(tool)),
});

type WireMessage = z.output<typeof message>;

export interface OllamaChat extends SharedRequest {
  /** Without messages it only loads or unloads. */
  request: ChatRequest;
}

/** Throws `ApiFailure`; its message names the field. */
export function parseChat(text: string, layers: OllamaLayers = {}): OllamaChat {
  const body = parseBody(text, chatBody);
  const shared = toShared(body, layers);
  const messages = toMessages(body.messages ?? []);
  return {
    ...shared,
    request: {
      ...CHAT_DEFAULTS,
      ...toRequestPart(shared),
      messages: withSystem(messages, layers.system),
      tools: (body.tools ?? []).map(toTool),
    },
  };
}

/** The model's own system message, where the conversation has none. */
function withSystem(messages: readonly Message[], system: string | undefined): readonly Message[] {
  if (!system || messages.length === 0 || messages.some(({ role }) => role === "system")) return messages;
  return [{ role: "system", content: system }, ...messages];
}

/**
 * Ollama's results of tools name the tool, or nothing at all; templates want the id of the call. So each result belongs to the oldest
 * call of its name that has none, or else to the oldest one.
 */
function toMessages(messages: readonly WireMessage[]): Message[] {
  let open: ToolCall[] = [];
  let count = 0;
  return messages.map((wire, at): Message => {
    const content = wire.content ?? "";
    if (wire.role === "assistant") {
      const calls = (wire.tool_calls ?? []).map((call, index) =>
        toHistoryCall(call, {
          id: toId(count++),
          param: `messages.${at}.tool_calls.${index}.function.arguments`,
        }),
      );
      open = [...calls];
      return {
        role: "assistant",
        content,
        ...(wire.thinking ? { reasoning_content: wire.thinking } : {}),
        ...(calls.length === 0 ? {} : { tool_calls: calls }),
      };
    }
    if (wire.role === "tool") {
      const match = takeCall(open, wire);
      return { role: "tool", tool_call_id: wire.tool_call_id || (match?.id ?? ""), content };
    }
    if (wire.role !== "user") return { role: "system", content };
    const images = toImageParts(wire.images ?? [], `messages.${at}.images`);
    const parts: ContentPart[] = [...images, { type: "text", text: content }];
    return { role: "user", content: images.length === 0 ? content : parts };
  });
}

function takeCall(
  open: ToolCall[],
  { tool_name: name, tool_call_id: id }: WireMessage,
): ToolCall | undefined {
  const known = open.findIndex((call) => (id ? call.id === id : call.function.name === name));
  return open.splice(Math.max(0, known), 1)[0];
}

/** Nine letters and digits, which every template takes; counted, so that the same conversation is the same prompt. */
function toId(index: number): string {
  return `call${String(index % 100_000).padStart(5, "0")}`;
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
