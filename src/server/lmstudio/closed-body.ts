/** Bodies whose unknown fields are errors, as LM Studio has them for everything but chats. */
import * as z from "zod/mini";
import { parseBody } from "../http/body.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";

/** Throws `ApiFailure` (400): `Unrecognized key(s) in object: 'a', 'b'`, or what `parseBody` throws. */
export function parseClosedBody<Shape extends z.core.$ZodShape>(
  text: string,
  schema: z.ZodMiniObject<Shape>,
): z.output<z.ZodMiniObject<Shape>> {
  const body = parseBody(text, z.looseObject({}));
  const unknown = Object.keys(body).filter((key) => !Object.hasOwn(schema.shape, key));
  if (unknown.length === 0) return parseBody(text, schema);
  const keys = unknown
    .slice(0, 10)
    .map((key) => `'${key.slice(0, 100)}'`)
    .join(", ");
  const known = Object.keys(schema.shape)
    .map((key) => `\`${key}\``)
    .join(", ");
  const message = `Unrecognized key(s) in object: ${keys}. Known are ${known}.`;
  throw new ApiFailure(
    toApiError(400, message, { code: "unrecognized_keys", param: (unknown[0] ?? "").slice(0, 100) }),
  );
}
