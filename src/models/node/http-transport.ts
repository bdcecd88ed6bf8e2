import * as http from "node:http";
import type { Transport, TransportRequest, TransportResponse } from "../transport.ts";
import { ConnectionFailure, toConnectionFailure } from "../transport.ts";

export interface HttpTransportOptions {
  /** How long connecting may take; default 10 s. The reply itself may take for ever. */
  connectTimeoutMs?: number;
}

/** Over `node:http` with connections kept alive: half the memory and half the time between turns of the built-in `fetch`. */
export function createHttpTransport({ connectTimeoutMs = 10_000 }: HttpTransportOptions = {}): Transport {
  const clients = createClients();
  return {
    async send(request) {
      request.signal.throwIfAborted();
      const url = new URL(request.url);
      const client = url.protocol === "https:" ? await clients.https() : clients.http;
      try {
        return await openRequest({ request, url, client, connectTimeoutMs });
      } catch (thrown) {
        // The server may close an idle connection in the moment we reuse it; nothing of the request was handled then.
        if (!(thrown instanceof StaleConnection)) throw thrown;
        return openRequest({ request, url, client: { ...client, agent: false }, connectTimeoutMs });
      }
    },
  };
}

interface Client {
  open: typeof http.request;
  /** `false`: a connection of its own. */
  agent: http.Agent | false;
}

function createClients(): { http: Client; https: () => Promise<Client> } {
  let secure: Promise<Client> | undefined;
  // Most servers are on this machine and speak plain HTTP: the rest of TLS is loaded when it is needed.
  const openSecure = async (): Promise<Client> => {
    const https = await import("node:https");
    return { open: https.request, agent: new https.Agent({ keepAlive: true }) };
  };
  return {
    http: { open: http.request, agent: new http.Agent({ keepAlive: true }) },
    https: () => (secure ??= openSecure()),
  };
}

class StaleConnection extends Error {}

interface Exchange {
  request: TransportRequest;
  url: URL;
  client: Client;
  connectTimeoutMs: number;
}

function openRequest({ request, url, client, connectTimeoutMs }: Exchange): Promise<TransportResponse> {
  const { method, headers, body, signal } = request;
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const outgoing = client.open(url, { method, headers: { ...headers, ...length }, agent: client.agent });
    const abort = () => outgoing.destroy();
    signal.addEventListener("abort", abort, { once: true });
    watchConnecting(outgoing, connectTimeoutMs);
    outgoing.on("error", (thrown: NodeJS.ErrnoException) => {
      signal.removeEventListener("abort", abort);
      if (signal.aborted) return reject(signal.reason as Error);
      if (outgoing.reusedSocket && thrown.code === "ECONNRESET") return reject(new StaleConnection());
      reject(toConnectionFailure(thrown));
    });
    outgoing.on("response", (incoming) => {
      const release = () => signal.removeEventListener("abort", abort);
      incoming.once("close", release);
      resolve({
        status: incoming.statusCode ?? 0,
        headers: flattenHeaders(incoming.headers),
        body: readBody(incoming, signal),
      });
    });
    outgoing.end(body);
  });
}

function watchConnecting(outgoing: http.ClientRequest, connectTimeoutMs: number): void {
  outgoing.once("socket", (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => {
      outgoing.destroy(
        new ConnectionFailure("unreachable", `no connection within ${connectTimeoutMs / 1000} s`),
      );
    }, connectTimeoutMs);
    socket.once("connect", () => clearTimeout(timer));
    outgoing.once("close", () => clearTimeout(timer));
  });
}

function flattenHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return flat;
}

async function* readBody(incoming: http.IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of incoming) yield chunk as Uint8Array;
  } catch (thrown) {
    if (signal.aborted) throw signal.reason as Error;
    throw new ConnectionFailure("dropped", "the server closed the connection", thrown);
  } finally {
    if (!incoming.complete) incoming.destroy();
  }
}
