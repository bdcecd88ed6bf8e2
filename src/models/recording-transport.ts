import { errorMessage } from "../core/errors.ts";
import { NO_REDACTION } from "../core/redact.ts";
import type { TextRedactor } from "./recording-redaction.ts";
import { redactBody, redactHeaders, redactorFor } from "./recording-redaction.ts";
import type { RecordingEntry } from "./recording.ts";
import type { Transport, TransportRequest } from "./transport.ts";
import { ConnectionFailure } from "./transport.ts";

export interface RecordingOptions {
  /** Takes out known secrets. The key that a request carries is taken out in any case. */
  redactor?: TextRedactor;
  /** Milliseconds; default `performance.now`. */
  now?: () => number;
}

/** Must not throw: what it does with a full disk is its own business. Called in order, and not waited for. */
export type RecordingSink = (entry: RecordingEntry) => void;

/**
 * The same transport, with all that passes told to `sink`: the head at once, a request when it is sent, and the pieces of a body when it is
 * over, since only the whole shows whether a secret is in it. A body with one is recorded in one piece.
 */
export function recordingTransport(
  transport: Transport,
  sink: RecordingSink,
  { redactor = NO_REDACTION, now = () => performance.now() }: RecordingOptions = {},
): Transport {
  const startedAt = now();
  let exchanges = 0;
  sink({ type: "recording", version: 1 });
  return {
    async send(request) {
      const secrets = redactorFor(request.headers, redactor);
      const clock = (): number => Math.round((now() - startedAt) * 10) / 10;
      const tape = { sink, secrets, exchange: exchanges++, clock, signal: request.signal };
      const { exchange } = tape;
      sink({ type: "request", exchange, atMs: clock(), ...toRecordedRequest(request, secrets) });
      try {
        const response = await transport.send(request);
        const { status } = response;
        const headers = redactHeaders(response.headers, secrets);
        sink({ type: "response", exchange, atMs: clock(), status, headers });
        return { ...response, body: recordBody(response.body, tape) };
      } catch (thrown) {
        sink(toFailure(thrown, tape));
        throw thrown;
      }
    },
  };
}

interface Tape {
  sink: RecordingSink;
  secrets: TextRedactor;
  exchange: number;
  clock: () => number;
  signal: AbortSignal;
}

/** Nothing is recorded of a body that nobody reads. */
async function* recordBody(body: AsyncIterable<Uint8Array>, tape: Tape): AsyncGenerator<Uint8Array> {
  const { sink, exchange, clock } = tape;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const pieces: { atMs: number; text: string }[] = [];
  let last: RecordingEntry | undefined;
  try {
    for await (const bytes of body) {
      pieces.push({ atMs: clock(), text: decoder.decode(bytes, { stream: true }) });
      yield bytes;
    }
    last = { type: "end", exchange, atMs: clock() };
  } catch (thrown) {
    last = toFailure(thrown, tape);
    throw thrown;
  } finally {
    pieces.push({ atMs: clock(), text: decoder.decode() });
    for (const { atMs, text } of redactPieces(pieces, tape)) sink({ type: "chunk", exchange, atMs, text });
    sink(last ?? { type: "left", exchange, atMs: clock() });
  }
}

function redactPieces(
  pieces: readonly { atMs: number; text: string }[],
  { secrets, clock }: Tape,
): readonly { atMs: number; text: string }[] {
  const whole = pieces.map(({ text }) => text).join("");
  const clean = redactBody(whole, secrets);
  const shown = clean === whole ? pieces : [{ atMs: clock(), text: clean }];
  return shown.filter(({ text }) => text !== "");
}

function toFailure(thrown: unknown, { secrets, exchange, clock, signal }: Tape): RecordingEntry {
  const kind = signal.aborted ? "aborted" : ConnectionFailure.is(thrown) ? thrown.kind : "other";
  return { type: "failure", exchange, atMs: clock(), kind, message: secrets.text(errorMessage(thrown)) };
}

type RecordedRequest = Pick<
  Extract<RecordingEntry, { type: "request" }>,
  "method" | "url" | "headers" | "body"
>;

/** A request as it is recorded, and as a replay compares it. */
export function toRecordedRequest(
  { method, url, headers, body }: TransportRequest,
  secrets: TextRedactor,
): RecordedRequest {
  return {
    method,
    url: secrets.text(url),
    headers: redactHeaders(headers, secrets),
    ...(body === undefined ? {} : { body: secrets.text(body) }),
  };
}
