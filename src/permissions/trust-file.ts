/** One JSON file of ours that several agents read and write: replaced at once or not at all, and by one of them at a time. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  type Stats,
} from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError, errnoOf, errorMessage } from "../core/errors.ts";

const MAX_FILE_BYTES = 4 * 1_024 * 1_024;
const OTHERS_MAY_WRITE = 0o022;

/** A change takes a few milliseconds; a lock this old was left by an agent that was killed. */
const LOCK_IS_OLD_MS = 10_000;
const LOCK_WAIT_MS = 15_000;
const LOCK_PAUSE_MS = 20;

/** Parsed JSON, or `undefined` when there is no file. Throws `AgentError` `config_invalid` or `storage_failed`. */
export function readTrustFile(file: string): unknown {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (errnoOf(error) === "ELOOP") throw unusable(file, "it is a link");
    throw failed("read", file, error);
  }
  try {
    refuseForeign(file, fstatSync(fd));
    return JSON.parse(readFileSync(fd, "utf8")) as unknown;
  } catch (error) {
    if (AgentError.is(error)) throw error;
    throw error instanceof SyntaxError ? unusable(file, "it is not JSON") : failed("read", file, error);
  } finally {
    closeSync(fd);
  }
}

/** What others can write would be their word and not the user's. */
function refuseForeign(file: string, stats: Stats): void {
  if (!stats.isFile()) throw unusable(file, "it is no regular file");
  if (stats.size > MAX_FILE_BYTES) throw unusable(file, `it is larger than ${MAX_FILE_BYTES} bytes`);
  const user = process.geteuid?.();
  if (user === undefined) return;
  const isOurs = stats.uid === user || (user === 0 && stats.uid === lstatSync(dirname(file)).uid);
  if (!isOurs) throw unusable(file, "it belongs to another user");
  if ((stats.mode & OTHERS_MAY_WRITE) !== 0)
    throw unusable(file, `other users may write it (run \`chmod 600 ${file}\` if it is as you left it)`);
}

/** Throws like `readTrustFile`, and whatever `change` throws; the file is then as it was. */
export async function updateTrustFile(file: string, change: (stored: unknown) => unknown): Promise<void> {
  const folder = dirname(file);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw failed("make the folder of", file, error);
  }
  const release = await lock(`${file}.lock`);
  try {
    replaceFile(file, `${JSON.stringify(change(readTrustFile(file)), null, 2)}\n`);
  } finally {
    release();
  }
}

/** A new file with a random name beside it, flushed, then renamed over it. Throws `storage_failed`. */
export function replaceFile(file: string, text: string): void {
  const temporary = `${file}.${randomBytes(9).toString("base64url")}.tmp`;
  let fd: number | undefined;
  try {
    fd = openSync(temporary, "wx", 0o600);
    writeFileSync(fd, text);
    giveToFolderOwner(fd, dirname(file));
    fsyncSync(fd);
    renameSync(temporary, file);
  } catch (error) {
    if (fd !== undefined) rmSync(temporary, { force: true });
    throw failed("write", file, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** What root writes in a user's folder stays that user's. */
function giveToFolderOwner(fd: number, folder: string): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = lstatSync(folder);
  fchownSync(fd, uid, gid);
}

async function lock(path: string): Promise<() => void> {
  for (const deadline = Date.now() + LOCK_WAIT_MS; ;) {
    try {
      closeSync(openSync(path, "wx", 0o600));
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw failed("lock", path, error);
    }
    if (Date.now() > deadline)
      throw failed("lock", path, new Error("another agent holds it; remove it when there is none"));
    removeOldLock(path);
    await sleep(LOCK_PAUSE_MS * (1 + Math.random()));
  }
}

/** Moved away first: of several that find it old, only one can. */
function removeOldLock(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || Date.now() - found.mtimeMs < LOCK_IS_OLD_MS) return;
  const moved = `${path}.${randomBytes(9).toString("base64url")}`;
  try {
    renameSync(path, moved);
    rmSync(moved, { force: true });
  } catch {
    // Somebody else was quicker.
  }
}

function unusable(file: string, why: string): AgentError {
  return new AgentError(
    "config_invalid",
    `\`${file}\` cannot be used: ${why}. Nothing is trusted meanwhile; repair it, or remove the file and run \`lmagent trust add\` again.`,
    { data: { path: file } },
  );
}

function failed(action: string, path: string, cause: unknown): AgentError {
  const errno = errnoOf(cause);
  return new AgentError("storage_failed", `Cannot ${action} \`${path}\`: ${errorMessage(cause)}.`, {
    cause,
    data: { path, ...(errno === undefined ? {} : { errno }) },
  });
}
