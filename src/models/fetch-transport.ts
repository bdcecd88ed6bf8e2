import type { Transport, TransportRequest, TransportResponse } from "./transport.ts";
import { toConnectionFailure } from "./transport.ts";

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Over `fetch`, for runtimes without `node:http`. */
export function createFetchTransport({ fetch = globalThis.fetch }: { fetch?: Fetch } = {}): Transport {
  return {
    async send(request) {
      try {
        return await exchange(fetch, request);
      } catch (thrown) {
        request.signal.throwIfAborted();
        throw toConnectionFailure(thrown);
      }
    },
  };
}

async function exchange(fetch: Fetch, request: TransportRequest): Promise<TransportResponse> {
  const { method, url, headers, body, signal } = request;
  const response = await fetch(url, {
    method,
    headers: { ...headers },
    // A redirect could carry the key to another host.
    redirect: "manual",
    signal,
    ...(body === undefined ? {} : { body }),
  });
  const names: Record<string, string> = {};
  response.headers.forEach((value, name) => {
    names[name.toLowerCase()] = value;
  });
  return { status: response.status, headers: names, body: readBody(response, signal) };
}

async function* readBody(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } catch (thrown) {
    signal.throwIfAborted();
    throw toConnectionFailure(thrown);
  } finally {
    // Rejects when the stream already broke, which is then known to the caller.
    await reader.cancel().catch(() => undefined);
  }
}
