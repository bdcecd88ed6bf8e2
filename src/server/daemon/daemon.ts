/**
 * The daemon: holds loaded models, takes commands on a private port, and serves clients on a public one while it is told to. Runs in a
 * process of its own, or inside `lmagent server start --foreground`.
 */
import { errorMessage } from "../../core/errors.ts";
import { prepareHome } from "../../engine/acquire/run-file.ts";
import { createApp } from "../app.ts";
import { createSingleKey } from "../http/guard.ts";
import { listen } from "../http/http-listener.ts";
import type { Listener } from "../http/http-listener.ts";
import { addControl } from "./control-routes.ts";
import { createPublicServer } from "./public-server.ts";
import { createDaemonRun, removeDaemonRun, writeDaemonRun } from "./run-file.ts";
import { createServerLog, serverLogPath } from "./server-log.ts";
import type { LogEntry } from "./server-log.ts";
import { createDaemonServices } from "./services.ts";
import type { DaemonRun, DaemonSettings, DaemonStatus } from "./settings.ts";

export interface Daemon {
  readonly run: DaemonRun;
  status(): DaemonStatus;
  /** Ends everything it started. */
  end(why: string): Promise<void>;
  /** Settles when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
}

export interface DaemonOptions {
  /** For programs that it starts. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Also gets every entry of the log. */
  onLog?: (entry: LogEntry) => void;
}

/** Throws `AgentError` `server_failed`, `config_invalid` or `storage_failed`; nothing is left running then. */
export async function startDaemon(settings: DaemonSettings, options: DaemonOptions): Promise<Daemon> {
  const { home, version } = settings;
  let { untilServerStops } = settings;
  await prepareHome(home);
  const now = (): Date => new Date();
  const log = createServerLog(serverLogPath(home), {
    now,
    ...(options.onLog === undefined ? {} : { onEntry: options.onLog }),
  });
  const { services, catalog, dispose } = await createDaemonServices(settings, {
    log,
    environment: options.environment,
  });
  const server = createPublicServer(home, services, log);
  let run: DaemonRun | undefined;
  const status = (): DaemonStatus => {
    const open = server.status();
    return {
      pid: process.pid,
      version,
      startedAt: run?.startedAt ?? "",
      untilServerStops,
      ...(open === undefined ? {} : { server: open }),
    };
  };

  let settle = (): void => {};
  const ended = new Promise<void>((resolve) => {
    settle = resolve;
  });
  let ending: Promise<void> | undefined;
  let control: Listener | undefined;
  const tearDown = async (why: string): Promise<void> => {
    log.write({ source: "server", message: `ends: ${why}` });
    // The run file goes first, so that nobody finds a daemon that is about to end.
    await removeDaemonRun(home, process.pid).catch(() => undefined);
    await server.stop();
    await dispose().catch((thrown: unknown) =>
      log.write({ source: "server", level: "error", message: errorMessage(thrown) }),
    );
    await control?.close();
    settle();
  };
  const end = (why: string): Promise<void> => (ending ??= tearDown(why));

  try {
    // The agents of this user use the models through the same port, whether others are served or not.
    const app = createApp({ services, keys: { accepts: (key) => accepts(run, key) } });
    const keep = (): void => {
      untilServerStops = false;
    };
    addControl(app, { services, catalog, server, status, keep, end: (why) => void end(why) });
    control = await listen(app, { host: "127.0.0.1", port: 0 });
    run = createDaemonRun(version, { port: control.port, now: now() });
    if (settings.http !== undefined) await server.start(settings.http);
    await writeDaemonRun(home, run);
    log.write({ source: "server", message: `daemon ${process.pid} of version ${version} runs` });
    return { run, status, end, ended };
  } catch (thrown) {
    await end(errorMessage(thrown));
    throw thrown;
  }
}

/** Before the run file is written nobody can know the key. */
function accepts(run: DaemonRun | undefined, key: string): boolean {
  return run !== undefined && createSingleKey(run.key).accepts(key);
}
