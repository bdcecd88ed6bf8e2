/** `lmagent server …`: the model server, with the JSON of `lms` where that has it. */
import { ensureDaemon, findDaemon } from "../../server/daemon/client.ts";
import type { DaemonClient } from "../../server/daemon/client.ts";
import type { DaemonSettings, DaemonStatus, HttpSettings } from "../../server/daemon/settings.ts";
import { toTerminalJson } from "../../tui/terminal-text.ts";
import { waitForEnd } from "../process-end.ts";
import { readServerSetup } from "../server-settings.ts";
import type { ServerFlags, ServerSetup } from "../server-settings.ts";
import { findHome } from "../settings.ts";

type ServerStatus = NonNullable<DaemonStatus["server"]>;

/** Returns when the server listens; with `--foreground` when it has ended. */
export async function startServer(flags: ServerFlags): Promise<number> {
  const setup = await readServerSetup(flags, process.env);
  if (flags.foreground === true) return runInForeground(setup);
  const { client, started } = await ensureDaemon(toDaemonSettings(setup, { untilServerStops: true }), {
    entry: setup.entry,
    env: process.env,
  });
  try {
    const server = await client.ask<ServerStatus>("/control/server/start", setup.http);
    if (!started) warnOfSettings(flags);
    report(server, flags);
    return 0;
  } catch (error) {
    // A daemon that was started for this alone has nothing left to do.
    if (started) await client.ask("/control/down", {}).catch(() => undefined);
    throw error;
  }
}

export function toDaemonSettings(
  { daemon }: ServerSetup,
  { untilServerStops, http }: { untilServerStops: boolean; http?: HttpSettings },
): DaemonSettings {
  return { ...daemon, untilServerStops, ...(http === undefined ? {} : { http }) };
}

/** How models are loaded is settled when the daemon starts. */
function warnOfSettings(flags: ServerFlags): void {
  const names = [
    "ttl",
    "jit",
    "maxModels",
    "memory",
    "parallel",
    "contextLength",
    "threads",
    "gpu",
    "engine",
  ];
  const given = names.filter((name) => flags[name as keyof ServerFlags] !== undefined);
  if (given.length === 0) return;
  process.stderr.write(
    `lmagent: the daemon runs already, with settings of its own; ${given.map((name) => `\`${name}\``).join(", ")} changes nothing. \`lmagent daemon down\` ends it.\n`,
  );
}

function report({ url, port, bind, keyRequired }: ServerStatus, { json }: ServerFlags): void {
  if (json === true) {
    process.stdout.write(`${toTerminalJson({ running: true, port, bind, url, keyRequired })}\n`);
    return;
  }
  const open = keyRequired ? "with an API key" : "without an API key";
  process.stdout.write(`${url}\n`);
  process.stderr.write(`The server listens on ${bind}, port ${port}, ${open}.\n`);
}

async function runInForeground(setup: ServerSetup): Promise<number> {
  const { startDaemon } = await import("../../server/daemon/daemon.ts");
  const { formatLogEntry } = await import("../log-line.ts");
  const running = await findDaemon(setup.home);
  if (running !== undefined) return joinForeground(running, setup);
  const daemon = await startDaemon(toDaemonSettings(setup, { untilServerStops: true, http: setup.http }), {
    environment: process.env,
    onLog: (entry) => process.stderr.write(`${formatLogEntry(entry)}\n`),
  });
  const { server } = daemon.status();
  if (server !== undefined) report(server, {});
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    process.once(signal, () => void daemon.end(`it got ${signal}`));
  await daemon.ended;
  return 0;
}

/** The models are with the daemon that runs; a second one would load them twice. */
async function joinForeground(client: DaemonClient, { http }: ServerSetup): Promise<number> {
  report(await client.ask<ServerStatus>("/control/server/start", http), {});
  process.stderr.write(
    "lmagent: a daemon runs already, and it serves this; ending this command changes nothing.\n",
  );
  return 0;
}

/** Waits for the models too where they end with it. Exit code 1 when none was running. */
export async function stopServer(): Promise<number> {
  const { home } = findHome(process.env);
  const client = await findDaemon(home);
  const answer = await client?.ask<{ stopped: boolean; ends: boolean }>("/control/server/stop", {});
  if (client === undefined || answer?.stopped !== true) {
    process.stderr.write("No server is running.\n");
    return 1;
  }
  const { pid } = client.run;
  const isThrough = !answer.ends || (await waitForEnd(pid));
  const rest = isThrough ? "" : ` Its process still ends, pid ${pid}.`;
  process.stderr.write(`The server was stopped.${rest}\n`);
  return 0;
}

/** As `lms server status`: `{"running":true,"port":1234}`. */
export async function showServerStatus({ json }: { json?: boolean }): Promise<number> {
  const client = await findDaemon(findHome(process.env).home);
  const server =
    client === undefined ? undefined : (await client.ask<DaemonStatus>("/control/status")).server;
  if (json === true) {
    const port = server?.port ?? (await readServerSetup({}, process.env)).http.port;
    process.stdout.write(`${JSON.stringify({ running: server !== undefined, port })}\n`);
  } else if (server === undefined) process.stdout.write("The server is not running.\n");
  else process.stdout.write(`The server is running: ${server.url}\n`);
  return server === undefined && json !== true ? 1 : 0;
}
