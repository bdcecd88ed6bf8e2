import { toObject } from "./json.ts";
import type { ConnectionFailure, Transport } from "./transport.ts";
import { toConnectionFailure } from "./transport.ts";

export type JsonAnswer =
  | {
      status: number;
      /** The object that came; empty for anything else. */
      value: Readonly<Record<string, unknown>>;
      /** What came, whatever it is. */
      json: unknown;
    }
  /** `undefined`: no answer in time, or no JSON. */
  | { status: 0; failure: ConnectionFailure | undefined };

export interface JsonRequest {
  headers?: Readonly<Record<string, string>>;
  body?: unknown;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** One small question to a server. Never throws but for an abort by `signal`. */
export async function fetchJson(
  transport: Transport,
  url: string,
  request: JsonRequest,
): Promise<JsonAnswer> {
  const { headers = {}, body, timeoutMs, signal } = request;
  const attempt = linkAbort(signal);
  const timer = setTimeout(() => attempt.abort(new Error("no answer in time")), timeoutMs);
  try {
    const response = await transport.send({
      method: body === undefined ? "GET" : "POST",
      url,
      headers: {
        accept: "application/json",
        ...headers,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      signal: attempt.signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await readText(response.body, MAX_BODY_BYTES);
    const json: unknown = JSON.parse(text);
    return { status: response.status, value: toObject(json), json };
  } catch (thrown) {
    signal?.throwIfAborted();
    if (thrown instanceof SyntaxError || attempt.signal.aborted) return { status: 0, failure: undefined };
    return { status: 0, failure: toConnectionFailure(thrown) };
  } finally {
    clearTimeout(timer);
    attempt.unlink();
  }
}

export interface LinkedAbort {
  signal: AbortSignal;
  abort(reason: unknown): void;
  /** Forgets the outer signal, which may outlive many attempts. */
  unlink(): void;
}

/** A signal of its own that also follows `outer`. */
export function linkAbort(outer: AbortSignal | undefined): LinkedAbort {
  const controller = new AbortController();
  const follow = () => controller.abort(outer?.reason);
  if (outer?.aborted) follow();
  outer?.addEventListener("abort", follow, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    unlink: () => outer?.removeEventListener("abort", follow),
  };
}

/** The first bytes of a body as text. */
export async function readText(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    bytes += chunk.byteLength;
    if (bytes > maxBytes) break;
  }
  return text + decoder.decode();
}
