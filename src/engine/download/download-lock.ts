/** One process at a time writes to a part file. The lock is kept alive by its owner, so that one of a dead process is known. */
import { readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { errnoOf } from "../../core/errors.ts";
import { isAlive } from "../../processes/is-alive.ts";
import { withStartLock } from "../acquire/start-lock.ts";
import { toDiskError } from "./part-file.ts";

const BEAT_MS = 5_000;
/** The id of a dead process may be in use again. */
const STALE_MS = 60_000;
const LOOK_MS = 200;

export interface LockOptions {
  signal: AbortSignal;
  /** Called once, when another process has it. */
  onWait: (pid: number | undefined) => void;
}

/** Waits until nobody else has it. Throws `download_failed` where it cannot be made, and the signal's reason. */
export async function acquireLock(path: string, { signal, onWait }: LockOptions): Promise<AsyncDisposable> {
  for (let isWaiting = false; !(await tryLock(path, signal)); isWaiting = true) {
    if (!isWaiting) onWait(await readOwner(path));
    await delay(LOOK_MS, undefined, { signal });
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, BEAT_MS);
  beat.unref();
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(beat);
      await rm(path, { force: true });
    },
  };
}

/** Looking and removing is for one process at a time, or the second would remove what the first has made since. */
function tryLock(path: string, signal: AbortSignal): Promise<boolean> {
  return withStartLock(`${path}.try`, { signal }, async () => {
    if (await isStale(path)) await rm(path, { force: true });
    try {
      await writeFile(path, String(process.pid), { flag: "wx", mode: 0o600 });
      return true;
    } catch (thrown) {
      if (errnoOf(thrown) === "EEXIST") return false;
      throw toDiskError(thrown, path);
    }
  });
}

async function isStale(path: string): Promise<boolean> {
  try {
    const ageMs = Date.now() - (await stat(path)).mtimeMs;
    const pid = await readOwner(path);
    return ageMs > STALE_MS || (pid === undefined ? ageMs > 1_000 : !isAlive(pid));
  } catch {
    return false;
  }
}

async function readOwner(path: string): Promise<number | undefined> {
  const pid = Number.parseInt(await readFile(path, "utf8").catch(() => ""), 10);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}
