/** The body of `POST /api/v1/chat` (https://lmstudio.ai/docs/developer/rest/chat). Unknown fields are ignored. */
import * as z from "zod/mini";
import type { ContentPart, Message, UserMessage } from "../../core/message.ts";
import type { Sampling } from "../../engine/protocol.ts";
import { ttlField, toTtlMs } from "../chat/common-fields.ts";
import { parseBody } from "../http/body.ts";
import { CHAT_DEFAULTS } from "../chat/chat-request.ts";
import type { ChatRequest } from "../chat/chat-request.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { toWishVariables } from "../chat/thinking-wish.ts";
import type { ThinkingWish } from "../chat/thinking-wish.ts";

const fraction = z.number().check(z.minimum(0), z.maximum(1));
const positive = z.int().check(z.minimum(1));
const flag = z.nullish(z.boolean());

const inputItem = z.discriminatedUnion("type", [
  z.object({ type: z.enum(["message", "text"]), content: z.string() }),
  z.object({
    type: z.literal("image"),
    data_url: z
      .string()
      .check(z.regex(/^data:image\/[\w.+-]+;base64,/, "must be a base64 data URL of an image")),
  }),
]);

const chatBody = z.object({
  model: z.string().check(z.minLength(1)),
  input: z.union([z.string(), z.array(inputItem).check(z.minLength(1))]),
  system_prompt: z.nullish(z.string()),
  integrations: z.nullish(z.array(z.unknown())),
  stream: flag,
  temperature: z.nullish(z.number().check(z.minimum(0), z.maximum(5))),
  top_p: z.nullish(fraction),
  top_k: z.nullish(z.int().check(z.minimum(0), z.maximum(1_000_000))),
  min_p: z.nullish(fraction),
  repeat_penalty: z.nullish(z.number().check(z.minimum(0), z.maximum(10))),
  max_output_tokens: z.nullish(positive),
  reasoning: z.nullish(z.enum(["off", "low", "medium", "high", "on"])),
  context_length: z.nullish(positive),
  store: flag,
  previous_response_id: z.nullish(z.string()),
  ttl: ttlField,
});

type ParsedBody = z.output<typeof chatBody>;

export interface NativeChatBody {
  model: string;
  stream: boolean;
  store: boolean;
  previousId?: string;
  systemPrompt?: string;
  user: UserMessage;
  thinking?: ThinkingWish;
  contextTokens?: number;
  ttlMs?: number;
  /** Without its messages, which depend on what was said before. */
  request: Omit<ChatRequest, "messages">;
}

/** Throws `ApiFailure`; its message names the field. */
export function parseNativeChat(text: string): NativeChatBody {
  const body = parseBody(text, chatBody);
  refuseIntegrations(body.integrations ?? []);
  const thinking = body.reasoning ?? undefined;
  return {
    model: body.model,
    stream: body.stream ?? false,
    store: body.store ?? true,
    user: { role: "user", content: toContent(body.input) },
    ...present("previousId", body.previous_response_id),
    ...present("systemPrompt", body.system_prompt),
    ...present("thinking", thinking),
    ...present("contextTokens", body.context_length),
    ...toTtlMs(body),
    request: {
      ...CHAT_DEFAULTS,
      sampling: toSampling(body),
      ...present("maxTokens", body.max_output_tokens),
      ...(thinking === undefined ? {} : { templateVariables: toWishVariables(thinking) }),
    },
  };
}

/** What was said before, and then the new message. Another system prompt takes the place of the old one. */
export function toMessages(
  { systemPrompt, user }: Pick<NativeChatBody, "systemPrompt" | "user">,
  before: readonly Message[],
): Message[] {
  const rest = before.filter(({ role }) => systemPrompt === undefined || role !== "system");
  return [
    ...(systemPrompt === undefined ? [] : [{ role: "system" as const, content: systemPrompt }]),
    ...rest,
    user,
  ];
}

function refuseIntegrations(integrations: readonly unknown[]): void {
  if (integrations.length === 0) return;
  const shown = JSON.stringify(integrations[0])?.slice(0, 80) ?? "undefined";
  const message =
    `\`integrations\` has \`${shown}\`: this server runs no plugins and no MCP servers. ` +
    "Leave it out, or declare `tools` to `/v1/chat/completions` and run them yourself.";
  throw new ApiFailure(toApiError(400, message, { code: "unsupported", param: "integrations" }));
}

function toContent(input: ParsedBody["input"]): UserMessage["content"] {
  if (typeof input === "string") return input;
  const parts = input.map((item): ContentPart =>
    item.type === "image"
      ? { type: "image_url", image_url: { url: item.data_url } }
      : { type: "text", text: item.content },
  );
  const texts = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  return texts.length === parts.length ? texts.join("\n") : parts;
}

function toSampling(body: ParsedBody): Partial<Sampling> {
  return {
    ...present("temperature", body.temperature),
    ...present("topP", body.top_p),
    ...present("topK", body.top_k),
    ...present("minP", body.min_p),
    ...present("repeatPenalty", body.repeat_penalty),
  };
}

/** `null` means absent. */
function present<Key extends string, Value>(
  key: Key,
  value: Value | null | undefined,
): { [K in Key]?: NonNullable<Value> } {
  return (value === null || value === undefined ? {} : { [key]: value }) as {
    [K in Key]?: NonNullable<Value>;
  };
}
