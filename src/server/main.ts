/** The server process: either an agent's own server for one model, or the daemon. Which one, and how, is JSON in its first argument. */
import { AgentError, errorMessage } from "../core/errors.ts";
import type { ServerReport, ServerSettings } from "../engine/acquire/acquire.ts";
import type { DaemonReport, DaemonSettings } from "./daemon/settings.ts";

function log(line: string): void {
  process.stdout.write(`${new Date().toISOString()} ${line}\n`);
}

/** The starter may be gone already, and then nobody listens. */
function report(message: ServerReport | DaemonReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

async function runPrivate(settings: ServerSettings): Promise<void> {
  const { startPrivateServer } = await import("./private-server.ts");
  await report({ type: "listening", run: await startPrivateServer(settings, log) });
}

async function runDaemon(settings: DaemonSettings): Promise<void> {
  const { startDaemon } = await import("./daemon/daemon.ts");
  const daemon = await startDaemon(settings, { environment: process.env });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    process.once(signal, () => void daemon.end(`it got ${signal}`));
  await report({ type: "running", run: daemon.run, status: daemon.status() });
  await daemon.ended;
  process.exit(0);
}

try {
  const settings = JSON.parse(process.argv[2] ?? "{}") as ServerSettings | { daemon: DaemonSettings };
  await ("daemon" in settings ? runDaemon(settings.daemon) : runPrivate(settings));
} catch (thrown) {
  log(`server ${process.pid}: ${errorMessage(thrown)}`);
  const message = errorMessage(thrown);
  const code = AgentError.is(thrown) ? thrown.code : "engine_failed";
  await report({ type: "failed", message, code });
  // The engine child, if there is one already, ends when its channel closes.
  process.exit(1);
}
