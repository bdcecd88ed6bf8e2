/** `lmagent daemon …`: the process that holds loaded models, with the JSON of `lms`. */
import { ensureDaemon, findDaemon } from "../../server/daemon/client.ts";
import type { DaemonStatus } from "../../server/daemon/settings.ts";
import { packageVersion } from "../package-root.ts";
import { waitForEnd } from "../process-end.ts";
import { readServerSetup } from "../server-settings.ts";
import { findHome } from "../settings.ts";
import { toDaemonSettings } from "./server.ts";

export interface DaemonFlags {
  json?: boolean;
}

export async function startDaemonCommand({ json }: DaemonFlags): Promise<number> {
  const setup = await readServerSetup({}, process.env);
  const { client, started } = await ensureDaemon(toDaemonSettings(setup, { untilServerStops: false }), {
    entry: setup.entry,
    env: process.env,
  });
  // One that was started for its server alone now stays.
  if (!started) await client.ask("/control/keep", {});
  const { pid, version } = client.run;
  const words = started ? `The daemon runs, pid ${pid}.` : `The daemon runs already, pid ${pid}.`;
  print(json, { status: "running", pid, isDaemon: true, version }, words);
  return 0;
}

export async function stopDaemon({ json }: DaemonFlags): Promise<number> {
  const client = await findDaemon(findHome(process.env).home);
  if (client === undefined) {
    print(json, { status: "not-running" }, "No daemon is running.");
    return 0;
  }
  const { pid } = client.run;
  await client.ask("/control/down", {});
  const ended = await waitForEnd(pid);
  print(
    json,
    { status: ended ? "not-running" : "stopping" },
    ended ? "The daemon has ended." : `The daemon still ends, pid ${pid}.`,
  );
  return ended ? 0 : 1;
}

export async function showDaemonStatus({ json }: DaemonFlags): Promise<number> {
  const client = await findDaemon(findHome(process.env).home);
  if (client === undefined) {
    print(json, { status: "not-running" }, "No daemon is running. `lmagent daemon up` starts it.");
    return json === true ? 0 : 1;
  }
  const { pid, version, server } = await client.ask<DaemonStatus>("/control/status");
  const old =
    version === packageVersion()
      ? ""
      : `, version ${version}: \`lmagent daemon down\` makes room for this one`;
  const serving = server === undefined ? "no server" : `server at ${server.url}`;
  print(
    json,
    { status: "running", pid, isDaemon: true, version },
    `The daemon runs, pid ${pid}, ${serving}${old}.`,
  );
  return 0;
}

function print(json: boolean | undefined, value: object, words: string): void {
  process.stdout.write(`${json === true ? JSON.stringify(value) : words}\n`);
}
