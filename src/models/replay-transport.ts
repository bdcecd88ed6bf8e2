import { AgentError } from "../core/errors.ts";
import { NO_REDACTION } from "../core/redact.ts";
import { findDifference } from "./json-difference.ts";
import { toObject } from "./json.ts";
import type { TextRedactor } from "./recording-redaction.ts";
import { redactorFor } from "./recording-redaction.ts";
import { toRecordedRequest } from "./recording-transport.ts";
import type { RecordingEntry } from "./recording.ts";
import type { Transport, TransportRequest, TransportResponse } from "./transport.ts";
import { ConnectionFailure } from "./transport.ts";

export interface ReplayOptions {
  /** The one that the recording was made with, so that requests compare. */
  redactor?: TextRedactor;
}

export interface ReplayTransport extends Transport {
  /** Requests of the recording that nobody has made yet, as `POST http://…`. */
  readonly left: readonly string[];
}

type Entry<Type extends RecordingEntry["type"]> = Extract<RecordingEntry, { type: Type }>;
type Later = Exclude<RecordingEntry, { type: "recording" | "request" }>;

interface Exchange {
  request: Entry<"request">;
  /** What came back, in order. */
  later: Later[];
  played: boolean;
}

/**
 * Answers from a recording, at once and without a server. A request must be the next one that was recorded for its address, and the same:
 * all but ids of calls that were made up, the slot, and headers. Questions (GET) may be asked in any order, and the last answer is given
 * again. `send` rejects with `AgentError` `model_rejected` that names the first difference (`data.at` is its place in the body).
 */
export function createReplayTransport(
  entries: readonly RecordingEntry[],
  { redactor = NO_REDACTION }: ReplayOptions = {},
): ReplayTransport {
  const exchanges = toExchanges(entries);
  return {
    get left() {
      return exchanges
        .filter(({ played }) => !played)
        .map(({ request }) => `${request.method} ${request.url}`);
    },
    async send(request) {
      request.signal.throwIfAborted();
      const sent = toRecordedRequest(request, redactorFor(request.headers, redactor));
      const exchange = findExchange(exchanges, sent);
      exchange.played = true;
      return play(exchange, request);
    },
  };
}

function toExchanges(entries: readonly RecordingEntry[]): Exchange[] {
  const exchanges: Exchange[] = [];
  let open = new Map<number, Exchange>();
  for (const entry of entries) {
    if (entry.type === "recording") open = new Map();
    else if (entry.type === "request") {
      const exchange = { request: entry, later: [], played: false };
      open.set(entry.exchange, exchange);
      exchanges.push(exchange);
    } else open.get(entry.exchange)?.later.push(entry);
  }
  return exchanges;
}

type Sent = ReturnType<typeof toRecordedRequest>;

function findExchange(exchanges: readonly Exchange[], sent: Sent): Exchange {
  const { method, url } = sent;
  const alike = exchanges.filter(({ request }) => request.method === method && request.url === url);
  const next = alike.find(({ played }) => !played) ?? (method === "GET" ? alike.at(-1) : undefined);
  if (next === undefined) {
    const recorded = alike.length === 0 ? "has none" : `has ${alike.length}, and all were made`;
    throw differs(`\`${method} ${url}\` was sent; the recording ${recorded}.`, { url });
  }
  const difference = findDifference(toComparable(next.request.body), toComparable(sent.body));
  if (difference === undefined) return next;
  const { at, before, now } = difference;
  const number = alike.indexOf(next) + 1;
  throw differs(
    `Request ${number} to \`${url}\` differs from the recorded one at \`${at}\`: it was \`${before}\` and is \`${now}\`.`,
    { url, at },
  );
}

function differs(what: string, data: Readonly<Record<string, unknown>>): AgentError {
  const message = `This is not what was recorded: ${what} Replay with the same task, files and settings, or record again.`;
  return new AgentError("model_rejected", message, { data });
}

/** What differs from run to run by chance is left out: ids that were made up here, and the slot that happened to be free. */
function toComparable(body: string | undefined): unknown {
  const document = parseJson(body);
  if (toObject(document) !== document) return document;
  const { id_slot: _slot, ...rest } = toObject(document);
  const ids = new Map<unknown, string>();
  const rename = (id: unknown): string => {
    const known = ids.get(id) ?? `call ${ids.size + 1}`;
    ids.set(id, known);
    return known;
  };
  const messages = Array.isArray(rest["messages"]) ? rest["messages"].map(toObject) : undefined;
  return {
    ...rest,
    ...(messages === undefined ? {} : { messages: messages.map((message) => renameIds(message, rename)) }),
  };
}

function renameIds(
  message: Readonly<Record<string, unknown>>,
  rename: (id: unknown) => string,
): Readonly<Record<string, unknown>> {
  const calls = message["tool_calls"];
  const result = message["tool_call_id"];
  return {
    ...message,
    ...(Array.isArray(calls)
      ? { tool_calls: calls.map(toObject).map((call) => ({ ...call, id: rename(call["id"]) })) }
      : {}),
    ...(result === undefined ? {} : { tool_call_id: rename(result) }),
  };
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return text;
  }
}

function play({ later }: Exchange, request: TransportRequest): TransportResponse {
  const [first, ...rest] = later;
  if (first?.type !== "response") throw toFailure(first, request.signal);
  return { status: first.status, headers: first.headers, body: playBody(rest, request.signal) };
}

async function* playBody(entries: readonly Later[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const entry of entries) {
    signal.throwIfAborted();
    if (entry.type === "chunk") yield encoder.encode(entry.text);
    else if (entry.type === "end" || entry.type === "left") return;
    else throw toFailure(entry, signal);
  }
  throw toFailure(undefined, signal);
}

/** Also where the recording ends in the middle, since its program was killed, or where the user interrupted it. */
function toFailure(entry: Later | undefined, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (entry?.type !== "failure") return new ConnectionFailure("dropped", "the recording ends here");
  return new ConnectionFailure(entry.kind === "aborted" ? "dropped" : entry.kind, entry.message);
}
