/** Who a container belongs to, so that those of agents that were killed can be told from those in use. */
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { isAlive } from "../processes/is-alive.ts";
import { readStart, readText } from "../processes/proc-files.ts";

export interface Owner {
  /** The start of the machine, where it can be told; else its name. */
  boot: string;
  /** Processes are counted anew in each of the system's namespaces. */
  namespace: string;
  pid: number;
  /** When the process started, in ticks since the start of the machine; empty where that cannot be told. */
  started: string;
}

export function readOwner(): Owner {
  return {
    boot: readText("/proc/sys/kernel/random/boot_id").trim() || hostname(),
    namespace: readNamespace(),
    pid: process.pid,
    started: readStart(process.pid),
  };
}

/** The text of a container's label. */
export function toOwnerLabel({ boot, namespace, pid, started }: Owner): string {
  return JSON.stringify([boot, namespace, pid, started]);
}

/** `undefined` for a label that is none of ours. */
export function parseOwnerLabel(label: unknown): Owner | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(String(label));
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed) || parsed.length !== 4) return undefined;
  const [boot, namespace, pid, started] = parsed as unknown[];
  if (typeof boot !== "string" || typeof namespace !== "string" || typeof started !== "string")
    return undefined;
  return Number.isSafeInteger(pid) && Number(pid) > 0
    ? { boot, namespace, pid: Number(pid), started }
    : undefined;
}

/** False only when it is certain that the owner has ended. */
export function mayBeAlive(owner: Owner, here: Owner): boolean {
  if (owner.boot !== here.boot) return false;
  // Of processes in other namespaces we know nothing.
  if (owner.namespace !== here.namespace) return true;
  if (owner.started !== "") return readStart(owner.pid) === owner.started;
  return isAlive(owner.pid);
}

function readNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}
