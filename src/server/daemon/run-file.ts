import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseObject } from "../../core/json-object.ts";
import { writeWhole } from "../../engine/acquire/run-file.ts";
import type { DaemonRun } from "./settings.ts";

export function daemonRunPath(home: string): string {
  return join(home, "run", "daemon.json");
}

export function createDaemonRun(version: string, { port, now }: { port: number; now: Date }): DaemonRun {
  return {
    pid: process.pid,
    port,
    key: randomBytes(24).toString("base64url"),
    version,
    startedAt: now.toISOString(),
  };
}

/** `undefined` for a missing, torn or foreign file. */
export async function readDaemonRun(home: string): Promise<DaemonRun | undefined> {
  const text = await readFile(daemonRunPath(home), "utf8").catch(() => "");
  const run = parseObject(text) as Partial<DaemonRun> | undefined;
  if (typeof run?.port !== "number" || !(run.port > 0 && run.port < 65_536)) return undefined;
  const texts = [run.key, run.version, run.startedAt];
  return typeof run.pid === "number" && texts.every((one) => typeof one === "string")
    ? (run as DaemonRun)
    : undefined;
}

/** Throws `AgentError` `storage_failed`. */
export async function writeDaemonRun(home: string, run: DaemonRun): Promise<void> {
  await writeWhole(daemonRunPath(home), JSON.stringify(run));
}

/** Removes the file only while it is still ours. */
export async function removeDaemonRun(home: string, pid: number): Promise<void> {
  if ((await readDaemonRun(home))?.pid === pid) await rm(daemonRunPath(home), { force: true });
}
