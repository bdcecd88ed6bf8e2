/** Files of ours that several agents of a user write: replaced at once or not at all, and by one of them at a time. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { AgentError, errnoOf, errorMessage } from "../core/errors.ts";

/** A change takes a few milliseconds; a lock this old was left by an agent that was killed. */
const LOCK_IS_OLD_MS = 10_000;

/** A new file with a random name beside it, flushed, then renamed over it. Throws `AgentError` `storage_failed`. */
export function replaceFile(file: string, text: string): void {
  const temporary = `${file}.${toRandomName()}.tmp`;
  let fd: number | undefined;
  try {
    fd = openSync(temporary, "wx", 0o600);
    writeFileSync(fd, text);
    giveToFolderOwner(fd, dirname(file));
    fsyncSync(fd);
    renameSync(temporary, file);
  } catch (error) {
    if (fd !== undefined) rmSync(temporary, { force: true });
    throw storageFailed("write", file, error);
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

/**
 * Makes a lock file and returns the way to remove it; `undefined` when another agent holds it. One that was left behind is taken away,
 * so that the next try can succeed. Throws `AgentError` `storage_failed`.
 */
export function tryLock(path: string): (() => void) | undefined {
  try {
    closeSync(openSync(path, "wx", 0o600));
    return () => rmSync(path, { force: true });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw storageFailed("lock", path, error);
  }
  removeOldLock(path);
  return undefined;
}

/** Moved away first: of several that find it old, only one can. */
function removeOldLock(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || Date.now() - found.mtimeMs < LOCK_IS_OLD_MS) return;
  const moved = `${path}.${toRandomName()}`;
  try {
    renameSync(path, moved);
    rmSync(moved, { force: true });
  } catch {
    // Somebody else was quicker.
  }
}

function toRandomName(): string {
  return randomBytes(9).toString("base64url");
}

/** `action` follows "Cannot": `write`. */
export function storageFailed(action: string, path: string, cause: unknown): AgentError {
  const errno = errnoOf(cause);
  return new AgentError("storage_failed", `Cannot ${action} \`${path}\`: ${errorMessage(cause)}.`, {
    cause,
    data: { path, ...(errno === undefined ? {} : { errno }) },
  });
}
