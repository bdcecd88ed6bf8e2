/** One listening HTTP server over a web-standard handler. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { App } from "./routes.ts";

/** Longer than most tools run, so that the next turn's request does not meet a connection that is just being closed. */
const KEEP_ALIVE_MS = 300_000;
/** A client that sends its headers, or its body, slower than this holds a connection for nothing. */
const HEADERS_MS = 30_000;
const BODY_MS = 300_000;

export interface Listener {
  readonly port: number;
  /** Takes no new connections; those in use are closed as well. */
  close(): Promise<void>;
}

export interface ListenOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** Called when an answer is out, or the client has gone. */
  onAnswered?: (answered: Answered) => void;
}

export interface Answered {
  method: string;
  /** Without its query, which may hold what nobody should read. */
  path: string;
  /** 499, as nginx says it: the client went before there was an answer. */
  status: number;
  ms: number;
  /** False: the client went in the middle of the answer. */
  complete: boolean;
}

const CLIENT_GONE = 499;

/** Throws Node's error of `listen`: `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`. */
export async function listen(app: App, { host, port, onAnswered }: ListenOptions): Promise<Listener> {
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEADERS_MS,
    requestTimeout: BODY_MS,
  });
  const serve = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  server.on("request", (incoming, outgoing) => {
    if (onAnswered !== undefined) watch(incoming, outgoing, onAnswered);
    void serve(incoming, outgoing);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function watch(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  onAnswered: (answered: Answered) => void,
): void {
  const startedAt = performance.now();
  outgoing.once("close", () => {
    const path = (incoming.url ?? "").split("?")[0] ?? "";
    const status = outgoing.headersSent ? outgoing.statusCode : CLIENT_GONE;
    onAnswered({
      method: incoming.method ?? "",
      path: path.slice(0, 200),
      status,
      ms: Math.round(performance.now() - startedAt),
      complete: outgoing.writableFinished,
    });
  });
}
