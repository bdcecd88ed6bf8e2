/** Fields that `/api/chat` and `/api/generate` share. */
import * as z from "zod/mini";
import type { ContentPart } from "../../core/message.ts";
import type { OllamaLayers } from "../../engine/catalog/catalog.ts";
import type { ChatRequest, ReplyFormat } from "../chat/chat-request.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { toWishVariables } from "../chat/thinking-wish.ts";
import type { ThinkingWish } from "../chat/thinking-wish.ts";
import { keepAliveField, toTtlOption } from "./keep-alive.ts";
import { optionsField, toGenerationOptions, withDefaults } from "./options.ts";
import type { GenerationOptions } from "./options.ts";

export const nameField = z.string().check(z.minLength(1), z.maxLength(1_000));
export const imagesField = z.nullish(z.array(z.string()));

export const sharedFields = {
  model: nameField,
  stream: z.nullish(z.boolean()),
  keep_alive: keepAliveField,
  options: optionsField,
  format: z.nullish(z.union([z.enum(["", "json"]), z.looseObject({})], 'must be "json" or a JSON schema')),
  think: z.nullish(z.union([z.boolean(), z.enum(["low", "medium", "high"])])),
  logprobs: z.nullish(z.boolean()),
  top_logprobs: z.nullish(z.int().check(z.minimum(0), z.maximum(20))),
};

const sharedBody = z.object(sharedFields);

export interface SharedRequest {
  model: string;
  stream: boolean;
  ttl: { ttlMs?: number | null };
  thinking?: ThinkingWish;
  options: GenerationOptions;
  format: ReplyFormat;
  logprobs?: number;
}

/** `layers`: of a model in Ollama's store, which brings settings of its own. */
export function toShared(body: z.output<typeof sharedBody>, layers: OllamaLayers = {}): SharedRequest {
  const { think } = body;
  const thinking = typeof think === "boolean" ? (think ? "on" : "off") : (think ?? undefined);
  return {
    model: body.model,
    stream: body.stream ?? true,
    ttl: toTtlOption(body.keep_alive),
    options: toGenerationOptions(withDefaults(body.options, layers.parameters)),
    format: toFormat(body.format),
    ...(thinking === undefined ? {} : { thinking }),
    ...(body.logprobs === true ? { logprobs: body.top_logprobs ?? 0 } : {}),
  };
}

/** What of it goes into a `ChatRequest`. */
export function toRequestPart({
  options: { maxTokens, stop, sampling },
  format,
  thinking,
  logprobs,
}: SharedRequest): Pick<
  ChatRequest,
  "sampling" | "stop" | "format" | "maxTokens" | "logprobs" | "templateVariables"
> {
  return {
    sampling,
    stop,
    format,
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(thinking === undefined ? {} : { templateVariables: toWishVariables(thinking) }),
  };
}

function toFormat(format: z.output<typeof sharedFields.format>): ReplyFormat {
  if (format === null || format === undefined || format === "") return { type: "text" };
  return format === "json" ? { type: "json" } : { type: "schema", schema: format, strict: false };
}

/** First characters of base64 by what an image file starts with. */
const MEDIA_TYPES: readonly (readonly [start: string, mediaType: string])[] = [
  ["iVBOR", "image/png"],
  ["/9j/", "image/jpeg"],
  ["UklGR", "image/webp"],
  ["R0lGOD", "image/gif"],
];

const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

/** Base64, also as a `data:` URL. Throws `ApiFailure` (400); `param` is the way to the list. */
export function toImageParts(images: readonly string[], param: string): ContentPart[] {
  return images.map((image, at) => {
    const base64 = image.replace(/^data:image\/[\w.+-]+;base64,/, "");
    const mediaType = MEDIA_TYPES.find(([start]) => base64.startsWith(start))?.[1];
    if (mediaType === undefined || !BASE64.test(base64)) {
      const message = `\`${param}.${at}\` is no PNG, JPEG, WebP or GIF image in base64.`;
      throw new ApiFailure(toApiError(400, message, { param: `${param}.${at}` }));
    }
    return { type: "image_url", image_url: { url: `data:${mediaType};base64,${base64.trim()}` } };
  });
}
