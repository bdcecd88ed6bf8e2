import { AgentError } from "../core/errors.ts";
import { redactData } from "../core/call-redaction.ts";
import type { ModelEvent } from "../core/model.ts";
import type { Redactor } from "../core/redact.ts";
import { toDelta } from "./completion.ts";
import type { ServerError } from "./failure.ts";
import { isRetryable, parseServerError, toAgentError, toLine } from "./failure.ts";
import type { LinkedAbort } from "./fetch-json.ts";
import { linkAbort, readText } from "./fetch-json.ts";
import type { Frame } from "./frames.ts";
import { readFrames } from "./frames.ts";
import { isContextOverflow } from "./overflow.ts";
import type { ReplyReader } from "./reply-reader.ts";
import type { Transport, TransportResponse } from "./transport.ts";
import { ConnectionFailure } from "./transport.ts";

/** The server answered with an error before any part of a reply; whether to send again is the caller's business. */
export class ServerRefusal extends Error {
  readonly error: ServerError;
  /** Seconds that the server asks to wait. */
  readonly retryAfterMs: number | undefined;
  constructor(error: ServerError, retryAfterMs?: number) {
    super(error.message);
    this.error = error;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface ExchangeOptions {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  model: string;
  /** Keeps the key, which a server may repeat, out of errors. */
  redactor: Redactor;
  transport: Transport;
  /** Called when the request is on its way. */
  openReader: () => Promise<ReplyReader>;
  /** Longest wait for the next byte. */
  silenceMs: number;
  signal: AbortSignal;
}

const MAX_ERROR_BYTES = 64 * 1024;
/** How long a connection is kept for the end of an answer that is already complete. */
const DRAIN_MS = 250;
/** How long a complete reply waits for that end, so that a request which follows at once finds the connection free. */
const REUSE_MS = 5;

/**
 * One request and its reply. Throws `ServerRefusal` or `ConnectionFailure` before the reply has begun, an `AgentError` when
 * it cannot be used, and the signal's reason. A connection lost later, or a failure that may pass, ends the reply with finish `cut`.
 */
export async function* exchange(options: ExchangeOptions): AsyncGenerator<ModelEvent> {
  const { openReader, signal } = options;
  const link = linkAbort(signal);
  let detached = false;
  try {
    const [response, reader] = await Promise.all([send(options, link), openReader()]);
    const frames = readFrames(watchSilence(response.body, options, link));
    const ended = yield* readReply(frames, reader, options);
    if (ended === "done") {
      detached = true;
      await waitBriefly(drain(frames, link));
    }
    if (!reader.begun && ended === "lost")
      throw new ConnectionFailure("dropped", "the server closed the connection without an answer");
    yield* reader.end({ ended: ended !== "lost" });
  } finally {
    if (!detached) {
      link.abort(new Error("the reply is over"));
      link.unlink();
    }
  }
}

async function send(options: ExchangeOptions, link: LinkedAbort): Promise<TransportResponse> {
  const { transport, url, headers, body, redactor } = options;
  const response = await withinSilence(
    transport.send({ method: "POST", url, headers, body, signal: link.signal }),
    options,
    link,
  );
  if (response.status >= 200 && response.status < 300) return response;
  const text = await readText(watchSilence(response.body, options, link), MAX_ERROR_BYTES);
  if (response.status < 400) {
    const target = redactor.text(response.headers["location"] ?? "");
    throw new AgentError(
      "model_protocol",
      `The server at \`${url}\` redirects to \`${target}\`. Use that address as base URL.`,
      {
        data: { url },
      },
    );
  }
  throw new ServerRefusal(
    parseServerError(response.status, redactor.text(text)),
    readRetryAfter(response.headers),
  );
}

/** Takes frames until the reply is over. `lost`: the connection ended first. */
async function* readReply(
  frames: AsyncGenerator<Frame>,
  reader: ReplyReader,
  options: ExchangeOptions,
): AsyncGenerator<ModelEvent, "done" | "closed" | "lost"> {
  const { url, signal, redactor } = options;
  let garbage: string | undefined;
  try {
    for (let next = await frames.next(); !next.done; next = await frames.next()) {
      const frame = next.value;
      if (frame.type === "done") return "done";
      const delta = frame.type === "json" ? toDelta(frame.value) : undefined;
      if (frame.type === "json" && isError(frame.value)) return breakOff(frame.value, reader, options);
      if (!delta?.recognized) garbage ??= frame.type === "json" ? JSON.stringify(frame.value) : frame.text;
      if (delta) yield* reader.take(delta);
    }
  } catch (thrown) {
    signal.throwIfAborted();
    if (!reader.begun || !isLost(thrown)) throw thrown;
    return reader.finished ? "closed" : "lost";
  }
  if (garbage !== undefined && !reader.begun && !reader.finished)
    throw toProtocolError(redactor.text(garbage), url);
  return reader.finished ? "closed" : "lost";
}

function isLost(thrown: unknown): boolean {
  return (
    ConnectionFailure.is(thrown) ||
    (AgentError.is(thrown, "model_unavailable") && thrown.data["silent"] === true)
  );
}

function isError(value: Readonly<Record<string, unknown>>): boolean {
  if (value["error"] !== undefined && value["error"] !== null) return true;
  return (
    value["object"] === "error" || value["type"] === "error" || ("detail" in value && !("choices" in value))
  );
}

/**
 * The server failed inside the stream. What another try may help against leaves what came so far as a reply that was cut; before
 * the first part it is a refusal, and anything that would come again is thrown.
 */
function breakOff(
  value: Readonly<Record<string, unknown>>,
  reader: ReplyReader,
  { url, model, headers, redactor }: ExchangeOptions,
): "lost" {
  const said = parseServerError(200, redactData(value, redactor) as typeof value);
  const error = said.status < 400 ? { ...said, status: 500 } : said;
  if (!isContextOverflow(error)) {
    if (!reader.begun) throw new ServerRefusal(error);
    if (isRetryable(error)) {
      reader.noteFailure(toLine(error.message));
      return "lost";
    }
  }
  throw toAgentError(error, { url, model, hasKey: "authorization" in headers });
}

function toProtocolError(text: string, url: string): AgentError {
  const what = /^\s*</.test(text) ? "a web page" : "something that is not the chat protocol";
  return new AgentError(
    "model_protocol",
    `The server at \`${url}\` answered with ${what}: \`${toLine(text).slice(0, 120)}\`. Check that the base URL is that of a model server.`,
    { data: { url } },
  );
}

/** Reads on to the end of the answer so that its connection can be used again; gives up soon. */
async function drain(frames: AsyncGenerator<Frame>, link: LinkedAbort): Promise<void> {
  const timer = setTimeout(() => link.abort(new Error("the reply is over")), DRAIN_MS);
  try {
    for (let next = await frames.next(); !next.done; next = await frames.next());
  } catch {
    // The reply was complete; how its connection ends does not matter.
  } finally {
    clearTimeout(timer);
    link.unlink();
  }
}

async function waitBriefly(end: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const enough = new Promise<void>((resolve) => (timer = setTimeout(resolve, REUSE_MS)));
  await Promise.race([end, enough]);
  clearTimeout(timer);
}

async function* watchSilence(
  body: AsyncIterable<Uint8Array>,
  options: ExchangeOptions,
  link: LinkedAbort,
): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await withinSilence(iterator.next(), options, link);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Only the wait for bytes counts, not the time in which the caller looks at them. */
async function withinSilence<Value>(
  wait: Promise<Value>,
  { silenceMs, url }: ExchangeOptions,
  link: LinkedAbort,
): Promise<Value> {
  const timer = setTimeout(() => {
    link.abort(
      new AgentError(
        "model_unavailable",
        `The server at \`${url}\` sent nothing for ${silenceMs / 1000} s.`,
        {
          data: { url, silent: true },
        },
      ),
    );
  }, silenceMs);
  try {
    return await wait;
  } finally {
    clearTimeout(timer);
  }
}

function readRetryAfter(headers: Readonly<Record<string, string>>): number | undefined {
  const ms = Number(headers["retry-after-ms"]);
  if (headers["retry-after-ms"] !== undefined && Number.isFinite(ms)) return ms;
  const seconds = Number(headers["retry-after"]);
  return headers["retry-after"] !== undefined && Number.isFinite(seconds)
    ? Math.max(0, seconds * 1000)
    : undefined;
}
