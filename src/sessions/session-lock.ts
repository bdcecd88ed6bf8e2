/**
 * One writer per session, by lock files that survive crashes. Each claimant makes a file of its own, named after the session and
 * itself, and then looks for others: whoever sees a living one withdraws. Because names are never shared, removing the file of a dead
 * process can never remove the lock of a living one, and no clock decides anything.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError, errnoOf } from "../core/errors.ts";
import { isAlive } from "../processes/is-alive.ts";
import { isSessionId } from "./session-id.ts";
import { toStorageError } from "./state-folder.ts";
import type { StateFolder } from "./state-folder.ts";

/** A process, told apart from a later one with the same number. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from boot to its start; 0 where the system does not say. */
  startTicks: number;
  /** The boot and the process-id space it lives in; `0` where the system does not say. */
  boot: string;
  space: string;
  host: string;
}

export interface SessionLock {
  sessionId: string;
  owner: ProcessIdentity;
  name: string;
}

/** Two claimants that see each other both withdraw; a random pause lets one be first the next time. */
const ATTEMPTS = 4;
const PAUSE_MS = 40;

/** Returns the release. Throws `session_locked`, naming the process, or `storage_failed`. */
export async function acquireLock(folder: StateFolder, sessionId: string): Promise<() => void> {
  const name = toLockName(sessionId, describeThisProcess());
  for (let attempt = 1; ; attempt += 1) {
    claim(folder, name, sessionId);
    const other = await findOther(folder, sessionId, name);
    if (other === undefined) return () => rmSync(folder.entry(name), { force: true });
    rmSync(folder.entry(name), { force: true });
    if (attempt === ATTEMPTS) throw toLockedError(folder, other);
    await sleep(PAUSE_MS * Math.random());
  }
}

/** The locks of living owners. Needs no right to write. */
export async function readLocks(folder: StateFolder): Promise<SessionLock[]> {
  const locks = (await folder.names()).map(parseLockName).filter((lock) => lock !== undefined);
  return locks.filter(({ owner }) => isHeld(owner));
}

export function toLockName(sessionId: string, owner: ProcessIdentity): string {
  const { pid, startTicks, boot, space, host } = owner;
  return `${sessionId}.${[pid, startTicks, boot, space, host].join("-")}.lock`;
}

export function parseLockName(name: string): SessionLock | undefined {
  const match = /^([0-9a-z-]+)\.(\d{1,10})-(\d{1,20})-([0-9a-z]+)-([0-9a-z]+)-([0-9a-z]+)\.lock$/.exec(name);
  const [, sessionId = "", pid, startTicks, boot = "", space = "", host = ""] = match ?? [];
  if (!isSessionId(sessionId)) return undefined;
  return { sessionId, name, owner: { pid: Number(pid), startTicks: Number(startTicks), boot, space, host } };
}

export function describeThisProcess(): ProcessIdentity {
  return {
    pid: process.pid,
    startTicks: readProcess(process.pid)?.startTicks ?? 0,
    boot: toDigest(readText("/proc/sys/kernel/random/boot_id")),
    space: toDigest(readLink("/proc/self/ns/pid")),
    host: toDigest(hostname()),
  };
}

/**
 * Whether the owner may still be writing. Another host name is another machine or container, whose processes cannot be seen from
 * here: that counts as held. Under our own host name, another boot or process space is one that has ended.
 */
function isHeld(owner: ProcessIdentity): boolean {
  const self = describeThisProcess();
  if (owner.host !== self.host) return true;
  if (owner.boot !== self.boot || owner.space !== self.space) return false;
  if (!isAlive(owner.pid)) return false;
  const running = readProcess(owner.pid);
  if (running === undefined) return true;
  return running.startTicks === owner.startTicks && !running.ended;
}

function claim(folder: StateFolder, name: string, sessionId: string): void {
  try {
    closeSync(openSync(folder.entry(name), "wx", 0o600));
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw toStorageError("write", join(folder.path, name), error);
    throw new AgentError("session_locked", `Session \`${sessionId}\` is already open in this process.`, {
      data: { id: sessionId, pid: process.pid },
    });
  }
}

async function findOther(
  folder: StateFolder,
  sessionId: string,
  own: string,
): Promise<SessionLock | undefined> {
  for (const name of await folder.names()) {
    const lock = name === own ? undefined : parseLockName(name);
    if (lock?.sessionId !== sessionId) continue;
    if (isHeld(lock.owner)) return lock;
    rmSync(folder.entry(name), { force: true });
  }
  return undefined;
}

function toLockedError(folder: StateFolder, { sessionId, owner, name }: SessionLock): AgentError {
  const elsewhere = owner.host !== describeThisProcess().host;
  const path = join(folder.path, name);
  const who = elsewhere ? `process ${owner.pid} of another machine or container` : `process ${owner.pid}`;
  const help = elsewhere
    ? `Stop it there; if it has ended, remove \`${path}\`.`
    : "Close it there, or start a new session.";
  return new AgentError("session_locked", `Session \`${sessionId}\` is being written by ${who}. ${help}`, {
    data: { id: sessionId, pid: owner.pid, path },
  });
}

/** From `/proc/<pid>/stat` (proc_pid_stat(5)): the name in brackets may hold anything, so fields count from the last `)`. */
function readProcess(pid: number): { startTicks: number; ended: boolean } | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { startTicks: Number(fields[19]), ended: fields[0] === "Z" || fields[0] === "X" };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function toDigest(text: string | undefined): string {
  return text === undefined ? "0" : createHash("sha256").update(text).digest("hex").slice(0, 10);
}
