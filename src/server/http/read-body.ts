/** The body of a request, whole, unless it is larger than any that is served. */
import type { IncomingMessage } from "node:http";
import { ApiFailure, toApiError } from "./errors.ts";

/** Images come inside bodies. */
const BODY_LIMIT_BYTES = 100_000_000;
const DISCARD_BYTES = 64_000_000;
const DISCARD_MS = 2_000;

/** Throws `ApiFailure`: 413 when there is too much, 400 for what is no UTF-8. */
export async function readBody(incoming: IncomingMessage): Promise<string> {
  const { "content-encoding": encoding = "identity" } = incoming.headers;
  if (encoding.toLowerCase() !== "identity") {
    const message = `\`Content-Encoding: ${encoding.slice(0, 40)}\` is not read here. Send the body as it is.`;
    throw new ApiFailure(toApiError(400, message, { code: "unsupported_encoding" }));
  }
  if (Number(incoming.headers["content-length"] ?? 0) > BODY_LIMIT_BYTES) throw tooLarge();
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > BODY_LIMIT_BYTES) break;
    pieces.push(piece);
  }
  if (bytes > BODY_LIMIT_BYTES) {
    pieces.length = 0;
    await discard(incoming);
    throw tooLarge();
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(pieces));
  } catch {
    throw new ApiFailure(toApiError(400, "The body is no UTF-8.", { code: "invalid_json" }));
  }
}

/** Most clients read no answer while they still write: what is left is dropped first, unless there is no end to it. */
function discard(incoming: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    const count = (piece: Buffer): void => {
      bytes += piece.length;
      if (bytes > DISCARD_BYTES) stop();
    };
    const stop = (): void => {
      clearTimeout(timer);
      incoming.off("data", count);
      resolve();
    };
    const timer = setTimeout(stop, DISCARD_MS);
    incoming.on("data", count);
    for (const event of ["end", "close", "error"]) incoming.once(event, stop);
    incoming.resume();
  });
}

function tooLarge(): ApiFailure {
  return new ApiFailure(
    toApiError(413, `The body is larger than ${BODY_LIMIT_BYTES} bytes.`, {
      code: "body_too_large",
    }),
  );
}
