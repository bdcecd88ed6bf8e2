import { toOpenAiBody } from "../http/errors.ts";
import type { Exchange } from "../http/routes.ts";
import type { Frame } from "../http/sse.ts";
import { sendStream } from "../http/stream.ts";

const DONE: Frame = { data: "[DONE]" };

/** Answers in chunks, as OpenAI streams them: an error is one of them, and the last word is always `[DONE]`. */
export function sendChunks<Event>(
  { outgoing, signal }: Pick<Exchange, "outgoing" | "signal">,
  events: AsyncIterable<{ index: number; value: Event }>,
  toChunks: (event: Event, index: number) => unknown[],
): Promise<void> {
  return sendStream(outgoing, toFrames(events, toChunks), {
    format: "sse",
    signal,
    toErrorBody: toOpenAiBody,
    toErrorFrames: (error) => [{ data: toOpenAiBody(error) }, DONE],
  });
}

async function* toFrames<Event>(
  events: AsyncIterable<{ index: number; value: Event }>,
  toChunks: (event: Event, index: number) => unknown[],
): AsyncGenerator<readonly Frame[], void, void> {
  for await (const { index, value } of events) yield toChunks(value, index).map((data): Frame => ({ data }));
  yield [DONE];
}
