/** Messages of OpenAI's chat, read as tolerantly as clients write them. */
import * as z from "zod/mini";
import { unreachable } from "../../core/events.ts";
import type { ContentPart, Message, ToolCall } from "../../core/message.ts";
import { refuse } from "./refuse.ts";

const optional = z.nullish;

const part = z.looseObject({
  type: z.string(),
  text: optional(z.string()),
  refusal: optional(z.string()),
  image_url: optional(z.union([z.string(), z.looseObject({ url: z.string() })])),
});
const content = z.union([z.string(), z.array(part)]);
// Some clients keep arguments as objects.
const namedCall = z.object({ name: z.string(), arguments: z.union([z.string(), z.looseObject({})]) });

const toolCall = z.object({
  id: z._default(optional(z.string()), ""),
  type: z._default(z.literal("function"), "function"),
  function: namedCall,
});

export const messageSchema = z.discriminatedUnion("role", [
  z.object({ role: z.enum(["system", "developer"]), content }),
  z.object({ role: z.literal("user"), content }),
  z.object({
    role: z.literal("assistant"),
    content: optional(content),
    reasoning_content: optional(z.string()),
    reasoning: optional(z.string()),
    tool_calls: optional(z.array(toolCall)),
    function_call: optional(namedCall),
  }),
  z.object({
    role: z.literal("tool"),
    tool_call_id: z._default(optional(z.string()), ""),
    content: optional(content),
  }),
  z.object({ role: z.literal("function"), name: z.string(), content: optional(content) }),
]);

type ParsedMessage = z.output<typeof messageSchema>;
type ParsedContent = z.output<typeof content> | null | undefined;

/** Throws `ApiFailure` (400, `unsupported_content`) for parts that are neither text nor images. */
export function toMessages(parsed: readonly ParsedMessage[]): Message[] {
  // Results of the old kind name the function alone; the newest call of that name is meant.
  const legacyIds = new Map<string, string>();
  return parsed.map((message, at): Message => {
    const path = `messages.${at}.content`;
    switch (message.role) {
      case "system":
      case "developer":
        return { role: "system", content: toText(message.content, path) };
      case "user":
        return { role: "user", content: toUserContent(message.content, path) };
      case "tool":
        return {
          role: "tool",
          tool_call_id: message.tool_call_id ?? "",
          content: toText(message.content, path),
        };
      case "function":
        return {
          role: "tool",
          tool_call_id: legacyIds.get(message.name) ?? "",
          content: toText(message.content, path),
        };
      case "assistant":
        return toAssistant(message, { path, legacyIds });
      default:
        return unreachable(message);
    }
  });
}

function toAssistant(
  message: Extract<ParsedMessage, { role: "assistant" }>,
  { path, legacyIds }: { path: string; legacyIds: Map<string, string> },
): Message {
  const { function_call: legacy } = message;
  const calls: ToolCall[] = (message.tool_calls ?? []).map(({ id, function: call }) =>
    toToolCall(id ?? "", call),
  );
  if (legacy !== undefined && legacy !== null) {
    // The same in every request, so that the prompt stays as it was.
    const id = `call_${legacyIds.size}`;
    legacyIds.set(legacy.name, id);
    calls.push(toToolCall(id, legacy));
  }
  const reasoning = message.reasoning_content ?? message.reasoning;
  return {
    role: "assistant",
    content: toText(message.content, path),
    ...(typeof reasoning === "string" ? { reasoning_content: reasoning } : {}),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function toToolCall(id: string, { name, arguments: input }: z.output<typeof namedCall>): ToolCall {
  const text = typeof input === "string" ? input : JSON.stringify(input);
  return { id, type: "function", function: { name, arguments: text } };
}

function toUserContent(given: ParsedContent, path: string): string | ContentPart[] {
  if (!Array.isArray(given)) return given ?? "";
  const parts = given.map((one, at): ContentPart => {
    const image = one.type === "image_url" ? one.image_url : undefined;
    if (image === undefined || image === null)
      return { type: "text", text: toPartText(one, `${path}.${at}`) };
    return { type: "image_url", image_url: { url: typeof image === "string" ? image : image.url } };
  });
  return parts.every(({ type }) => type === "text") ? toText(given, path) : parts;
}

function toText(given: ParsedContent, path: string): string {
  if (!Array.isArray(given)) return given ?? "";
  return given.map((one, at) => toPartText(one, `${path}.${at}`)).join("");
}

function toPartText(one: z.output<typeof part>, path: string): string {
  const text = one.type === "refusal" ? one.refusal : one.type.endsWith("text") ? one.text : undefined;
  if (typeof text === "string") return text;
  const why =
    one.type === "image_url"
      ? "an image belongs into a user message, with its `image_url`"
      : "this server reads text and images only";
  throw refuse(`\`${path}\` has the type \`${one.type.slice(0, 60)}\`: ${why}.`, path, "unsupported_content");
}
