import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  write,
} from "node:fs";
import { promisify } from "node:util";
import { fileFailed, pathRefused, systemFailure } from "./failures.ts";
import { ownerIn } from "./owner.ts";
import type { Place } from "./walk.ts";

const writeAsync = promisify(write);
const fsyncAsync = promisify(fsync);

/** Permission bits only: never set-user-id, set-group-id or sticky. */
const PERMISSIONS = 0o777;
const NEW_FILE_MODE = 0o644;

/**
 * Puts `bytes` at a place at once or not at all: a file with a random name beside it, flushed, then renamed over it. Another
 * name of a hard-linked file keeps the old content. `place.stats` is what the caller saw; a file that changed since is left.
 */
export async function replaceFile(
  place: Place,
  bytes: Uint8Array,
  shown: string,
  stillOurs: () => void,
): Promise<void> {
  refuseTarget(place, shown);
  const temporary = `${place.folder.path}/.${randomBytes(9).toString("base64url")}.tmp`;
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  let fd: number | undefined;
  try {
    fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, place.stats ? 0o600 : NEW_FILE_MODE);
    place.folder.confirm();
    await writeAll(fd, bytes);
    keepOwnerAndMode(fd, place);
    await fsyncAsync(fd);
    stillOurs();
    place.folder.confirm();
    refuseChanged(place, shown);
    renameSync(temporary, place.path);
  } catch (error) {
    if (fd !== undefined) unlinkQuietly(temporary);
    throw systemFailure(shown, "write", error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Refuses what may not be replaced: no regular file, read-only, or another user's. */
export function refuseTarget({ stats }: Place, shown: string): void {
  if (!stats) return;
  if (stats.isDirectory()) throw fileFailed(shown, `cannot write ${shown}: it is a folder`);
  if (!stats.isFile()) throw pathRefused(shown, "it is not a regular file");
  if ((stats.mode & 0o200) === 0) throw fileFailed(shown, `cannot write ${shown}: the file is read-only`);
  const user = process.geteuid?.();
  if (user !== undefined && user !== 0 && stats.uid !== user)
    throw fileFailed(shown, `cannot write ${shown}: the file belongs to another user`);
}

async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await writeAsync(fd, bytes, written, bytes.length - written, null)).bytesWritten;
  }
}

function keepOwnerAndMode(fd: number, { folder, stats }: Place): void {
  const owner = stats && process.geteuid?.() === 0 ? stats : ownerIn(folder);
  if (owner) fchownSync(fd, owner.uid, owner.gid);
  if (stats) fchmodSync(fd, stats.mode & PERMISSIONS);
}

/** Somebody wrote the file between our look at it and now: theirs stays. */
function refuseChanged({ path, stats }: Place, shown: string): void {
  const now = lstatSync(path, { throwIfNoEntry: false });
  const isSame = now?.ino === stats?.ino && now?.mtimeMs === stats?.mtimeMs && now?.size === stats?.size;
  if (!isSame)
    throw fileFailed(
      shown,
      `cannot write ${shown}: it was changed by somebody else meanwhile; read it again`,
    );
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The folder itself is gone: nothing is left behind.
  }
}
