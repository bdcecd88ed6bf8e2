/** Images in messages, which come as `data:` URLs: to what an engine takes. */
import type { Message } from "../../core/message.ts";
import type { ImageData } from "../../engine/protocol.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";

/** In the order of the messages. Throws `ApiFailure` (400, `unsupported_content`) that names the part. */
export function readImages(messages: readonly Message[], { vision }: { vision: boolean }): ImageData[] {
  return messages.flatMap(({ content }, at) => {
    if (!Array.isArray(content)) return [];
    return content.flatMap((part, index) => {
      if (part.type === "text") return [];
      const param = `messages.${at}.content.${index}`;
      if (!vision)
        throw refuse(
          param,
          "is an image, and this model reads text only. Load a model that can see, with its projector.",
        );
      return [toImage(part.image_url.url, param)];
    });
  });
}

const DATA_URL = /^data:(image\/[\w.+-]+)(?:;[^,;]*)*;base64,/i;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

function toImage(url: string, param: string): ImageData {
  const head = DATA_URL.exec(url.slice(0, 200));
  if (head === null) {
    const shown = JSON.stringify(url.slice(0, 60));
    throw refuse(
      param,
      `has the URL ${shown}. This server fetches nothing: send the image itself, as \`data:image/png;base64,…\`.`,
    );
  }
  const base64 = url.slice(head[0].length).replaceAll(/\s/g, "");
  if (!BASE64.test(base64)) throw refuse(param, "is no image in base64.");
  return { mediaType: (head[1] as string).toLowerCase(), base64 };
}

function refuse(param: string, why: string): ApiFailure {
  return new ApiFailure(toApiError(400, `\`${param}\` ${why}`, { param, code: "unsupported_content" }));
}
