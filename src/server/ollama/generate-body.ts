/** The body of `POST /api/generate` (https://docs.ollama.com/api/generate). Unknown fields are ignored. */
import * as z from "zod/mini";
import type { ContentPart, Message } from "../../core/message.ts";
import type { OllamaLayers } from "../../engine/catalog/catalog.ts";
import { parseBody } from "../http/body.ts";
import { CHAT_DEFAULTS } from "../chat/chat-request.ts";
import type { ChatRequest } from "../chat/chat-request.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { decodeConversation } from "./conversation-code.ts";
import { imagesField, sharedFields, toImageParts, toRequestPart, toShared } from "./request-fields.ts";
import type { SharedRequest } from "./request-fields.ts";

const generateBody = z.object({
  ...sharedFields,
  prompt: z.nullish(z.string()),
  suffix: z.nullish(z.string()),
  system: z.nullish(z.string()),
  template: z.nullish(z.string()),
  context: z.nullish(z.array(z.int())),
  raw: z.nullish(z.boolean()),
  images: imagesField,
});

type ParsedBody = z.output<typeof generateBody>;

export type GenerateTask =
  /** Nothing is asked: it is loaded or unloaded. */
  | { type: "load" }
  | { type: "chat"; request: ChatRequest }
  /** The prompt as it is. */
  | { type: "raw"; prompt: string }
  | { type: "infill"; prefix: string; suffix: string };

export interface OllamaGenerate extends SharedRequest {
  task: GenerateTask;
}

/** Throws `ApiFailure`; its message names the field. */
export function parseGenerate(text: string, layers: OllamaLayers = {}): OllamaGenerate {
  const body = parseBody(text, generateBody);
  const shared = toShared(body, layers);
  return { ...shared, task: toTask({ ...body, system: body.system ?? layers.system }, shared) };
}

function toTask(body: ParsedBody, shared: SharedRequest): GenerateTask {
  const { prompt, suffix, images } = body;
  if (body.template) throw refuse("template", TEMPLATE_REFUSED);
  if (suffix) {
    if (images?.length) throw refuse("images", "`images` and `suffix` do not go together.");
    if (shared.format.type !== "text")
      throw refuse("format", "`format` and `suffix` do not go together. Leave one of them out.");
    return { type: "infill", prefix: prompt ?? "", suffix };
  }
  if (!prompt && !images?.length) return { type: "load" };
  if (body.raw) {
    if (images?.length) throw refuse("images", "`images` need a chat template: leave `raw` out.");
    return { type: "raw", prompt: prompt ?? "" };
  }
  return { type: "chat", request: toChatRequest(body, shared) };
}

const TEMPLATE_REFUSED =
  "`template` is written in Go's template language, which this server does not run: it uses the template in the model's file. " +
  "Send the finished prompt with `raw`, or messages to `/api/chat`.";

function refuse(param: string, message: string): ApiFailure {
  return new ApiFailure(toApiError(400, message, { param, code: "unsupported" }));
}

function toChatRequest({ prompt, system, images, context }: ParsedBody, shared: SharedRequest): ChatRequest {
  const before = decodeConversation(context ?? []);
  const parts: ContentPart[] = toImageParts(images ?? [], "images");
  const content =
    parts.length === 0 ? (prompt ?? "") : [...parts, { type: "text" as const, text: prompt ?? "" }];
  const messages: Message[] = [
    ...(system ? [{ role: "system" as const, content: system }] : []),
    ...before.filter(({ role }) => !system || role !== "system"),
    { role: "user", content },
  ];
  return { ...CHAT_DEFAULTS, ...toRequestPart(shared), messages };
}
