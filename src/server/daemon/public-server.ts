/** The HTTP server that clients use, started and stopped beside the models. */
import { AgentError, errnoOf, errorMessage } from "../../core/errors.ts";
import { createApp } from "../app.ts";
import { isLoopback } from "../http/guard.ts";
import { listen } from "../http/http-listener.ts";
import type { Answered, Listener } from "../http/http-listener.ts";
import type { App } from "../http/routes.ts";
import type { Services } from "../services.ts";
import { createKeyRing } from "./key-ring.ts";
import { readKeys } from "./key-store.ts";
import { findPortOwner } from "./port-owner.ts";
import type { ServerLog } from "./server-log.ts";
import type { DaemonStatus, HttpSettings } from "./settings.ts";

type ServerStatus = NonNullable<DaemonStatus["server"]>;

export interface PublicServer {
  status(): ServerStatus | undefined;
  /** Throws `AgentError` `server_failed` when one runs already elsewhere, the address cannot be used, or a key is missing. */
  start(settings: HttpSettings): Promise<ServerStatus>;
  /** False: none was running. */
  stop(): Promise<boolean>;
}

export function createPublicServer(home: string, services: Services, log: ServerLog): PublicServer {
  let running: { listener: Listener; status: ServerStatus } | undefined;
  return {
    status: () => running?.status,
    start: async (settings) => {
      if (running !== undefined) return rejoin(running.status, settings);
      const stored = await readKeys(home);
      const hashes = [...stored.map(({ sha256 }) => sha256), ...settings.keyHashes];
      refuseOpen(settings, hashes);
      const keys = hashes.length === 0 ? undefined : createKeyRing(home, settings.keyHashes);
      const app = createApp({
        services,
        ...(keys === undefined ? {} : { keys }),
        cors: settings.cors,
        bind: settings.bind,
      });
      const listener = await listenOrExplain(app, settings, (answered) => logRequest(log, answered));
      const { port } = listener;
      const status = {
        port,
        bind: settings.bind,
        url: toUrl(settings.bind, port),
        keyRequired: keys !== undefined,
      };
      running = { listener, status };
      services.log(`listens on ${status.url}`);
      return status;
    },
    stop: async () => {
      const stopped = running;
      running = undefined;
      await stopped?.listener.close();
      return stopped !== undefined;
    },
  };
}

function rejoin(status: ServerStatus, { port, bind }: HttpSettings): ServerStatus {
  if ((port === 0 || status.port === port) && status.bind === bind) return status;
  throw new AgentError(
    "server_failed",
    `The server runs already, at ${status.url}. Stop it first: \`lmagent server stop\`.`,
    { data: { port: status.port, pid: process.pid } },
  );
}

/** Whoever reaches the port could use the models, and read what others ask of them. */
function refuseOpen({ bind, allowUnauthenticated }: HttpSettings, hashes: readonly string[]): void {
  if (isLoopback(bind) || hashes.length > 0 || allowUnauthenticated) return;
  throw new AgentError(
    "server_failed",
    `\`--bind ${bind}\` is reachable by others, and there is no API key. Make one with \`lmagent server key create\`, give one with \`--api-key\`, or say \`--allow-unauthenticated\`.`,
    { data: { bind } },
  );
}

function logRequest(log: ServerLog, { method, path, status, ms, complete }: Answered): void {
  const cut = complete ? {} : { complete };
  log.write({
    source: "server",
    level: status >= 500 ? "error" : "info",
    message: `${method} ${path} ${status} in ${ms} ms`,
    method,
    path,
    status,
    ms,
    ...cut,
  });
}

async function listenOrExplain(
  app: App,
  settings: HttpSettings,
  onAnswered: (answered: Answered) => void,
): Promise<Listener> {
  const { port, bind } = settings;
  try {
    return await listen(app, { host: bind, port, onAnswered });
  } catch (cause) {
    throw new AgentError("server_failed", await explain(cause, settings), {
      cause,
      data: { port, bind, errno: errnoOf(cause) },
    });
  }
}

async function explain(cause: unknown, { port, bind }: HttpSettings): Promise<string> {
  switch (errnoOf(cause)) {
    case "EADDRINUSE": {
      const owner = await findPortOwner(port);
      const who = owner === undefined ? "another process" : `\`${owner.command}\` (pid ${owner.pid})`;
      return `Port ${port} is taken by ${who}. Stop it, or choose another one with \`--port\`.`;
    }
    case "EACCES":
      return `Port ${port} may not be used by this user. Choose one above 1023 with \`--port\`.`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `\`--bind ${bind}\` is no address of this machine. Use 127.0.0.1, or 0.0.0.0 for all.`;
    default:
      return `The server cannot listen on ${bind}:${port}: ${errorMessage(cause)}`;
  }
}

/** An address that a client on this machine can use. */
function toUrl(bind: string, port: number): string {
  const host = bind === "0.0.0.0" || bind === "::" ? "127.0.0.1" : bind;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
