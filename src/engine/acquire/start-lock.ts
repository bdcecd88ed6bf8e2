import { open, readFile, rm, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { errnoOf } from "../../core/errors.ts";
import { isAlive } from "../../processes/is-alive.ts";
import { storageFailed } from "../storage-failed.ts";

const POLL_MS = 20;
/** Starting takes a second; a lock this old was left by a process whose id may be in use again. */
const STALE_MS = 60_000;

/**
 * Runs `work` while no other process does so for the same file. A lock whose process is gone is taken over.
 * Throws `AgentError` `storage_failed` when the lock file cannot be made.
 */
export async function withStartLock<Result>(
  path: string,
  { signal }: { signal?: AbortSignal | undefined },
  work: () => Promise<Result>,
): Promise<Result> {
  while (!(await tryLock(path))) {
    signal?.throwIfAborted();
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryLock(path: string): Promise<boolean> {
  if (await create(path)) return true;
  if (await isStale(path)) await removeStale(path);
  return false;
}

/**
 * One process at a time looks and removes: with two, the second could remove the lock of whoever came after the first one's removal.
 */
async function removeStale(path: string): Promise<void> {
  const claim = `${path}.stale`;
  if (!(await create(claim))) {
    if (await isStale(claim)) await rm(claim, { force: true });
    return;
  }
  try {
    if (await isStale(path)) await rm(path, { force: true });
  } finally {
    await rm(claim, { force: true });
  }
}

/** Makes the file with our process id in it. False: it is there already. */
async function create(path: string): Promise<boolean> {
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(String(process.pid));
    } finally {
      await file.close();
    }
    return true;
  } catch (cause) {
    if (errnoOf(cause) === "EEXIST") return false;
    throw storageFailed(path, cause);
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    const ageMs = Date.now() - (await stat(path)).mtimeMs;
    const pid = Number.parseInt(await readFile(path, "utf8"), 10);
    // Just made and not written yet.
    if (Number.isNaN(pid)) return ageMs > 1_000;
    return ageMs > STALE_MS || !isAlive(pid);
  } catch {
    return false;
  }
}
