/** A streamed answer: the same care for every dialect, whatever its frames look like. */
import type { ServerResponse } from "node:http";
import { fromThrown } from "./errors.ts";
import type { ApiError } from "./errors.ts";
import { sendJson } from "./send.ts";
import { createStreamWriter } from "./sse.ts";
import type { Frame, StreamFormat, StreamWriter } from "./sse.ts";

export interface StreamOptions {
  format: StreamFormat;
  signal: AbortSignal;
  /** The body of an error that comes before the stream has begun. */
  toErrorBody: (error: ApiError) => unknown;
  /** What an error looks like in the middle of the stream. */
  toErrorFrames: (error: ApiError) => readonly Frame[];
}

/** Until then an error still gets a status of its own; a client that sees nothing at all for long gives up. */
const HEADERS_WITHIN_MS = 10_000;

/**
 * Writes batches of frames as they come. The headers go out with the first batch, also an empty one: it says that the request is
 * sound. Ends the response in every case.
 */
export async function sendStream(
  outgoing: ServerResponse,
  batches: AsyncIterable<readonly Frame[]>,
  { format, signal, toErrorBody, toErrorFrames }: StreamOptions,
): Promise<void> {
  let stream: StreamWriter | undefined;
  // A large model can take minutes to load.
  const patience = setTimeout(() => {
    stream ??= createStreamWriter(outgoing, format);
  }, HEADERS_WITHIN_MS);
  try {
    for await (const frames of batches) {
      stream ??= createStreamWriter(outgoing, format);
      for (const frame of frames) await stream.write(frame);
    }
  } catch (thrown) {
    if (signal.aborted) return;
    const error = fromThrown(thrown);
    if (stream === undefined) {
      sendJson(outgoing, error.status, toErrorBody(error), error.headers);
      return;
    }
    for (const frame of toErrorFrames(error)) await stream.write(frame);
  } finally {
    clearTimeout(patience);
  }
  stream?.end();
}
