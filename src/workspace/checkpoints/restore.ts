/** Puts paths back to what they were. Every step is held or taken without following links, and whole files are replaced at once. */
import { randomBytes } from "node:crypto";
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsync,
  lchownSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  write,
} from "node:fs";
import { promisify } from "node:util";
import { errnoOf } from "../../core/errors.ts";
import { decodeName, encodeName } from "../disk-name.ts";
import { fileFailed, systemFailure } from "../failures.ts";
import { type Folder, pathIn } from "../folder.ts";
import { giveToOwner, ownerIn } from "../owner.ts";
import { shownPath } from "./bounds.ts";
import { isRecorded, type PathState } from "./file-state.ts";
import { lookUp, openParent, type Seen, toStamp } from "./look.ts";

const writeAsync = promisify(write);
const fsyncAsync = promisify(fsync);

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export interface Restoration {
  path: string;
  target: PathState;
  /** What is there, as it was looked at just now. */
  seen: Seen | null;
}

export interface RestoreOptions {
  readObject(hash: string): Promise<Buffer>;
  signal?: AbortSignal | undefined;
}

export interface Restored {
  restored: string[];
  failed: { path: string; why: string }[];
}

/** Can be done again after it was cut off anywhere: what is already as it should be needs no restoring. */
export async function restorePaths(
  root: Folder,
  items: readonly Restoration[],
  options: RestoreOptions,
): Promise<Restored> {
  const failed = new Map<string, string>();
  const attempt = async (item: Restoration, step: () => Promise<void> | void): Promise<void> => {
    if (failed.has(item.path)) return;
    try {
      options.signal?.throwIfAborted();
      await step();
    } catch (error) {
      failed.set(item.path, options.signal?.aborted ? "interrupted" : whyOf(item.path, error));
    }
  };
  const byDepth = items.toSorted((one, other) => depthOf(one) - depthOf(other));
  const folders = byDepth.filter(({ target }) => target?.kind === "folder");
  const others = byDepth.filter(({ target }) => target !== null && target.kind !== "folder");
  for (const item of folders) await attempt(item, () => openUp(root, item));
  for (const item of byDepth.toReversed()) await attempt(item, () => removeOld(root, item));
  for (const item of folders) await attempt(item, () => makeFolder(root, item));
  for (const item of others) await attempt(item, () => putBack(root, item, options));
  for (const item of folders.toReversed()) await attempt(item, () => setFolderMode(root, item));
  return {
    restored: items.map(({ path }) => path).filter((path) => !failed.has(path)),
    failed: [...failed].map(([path, why]) => ({ path, why })),
  };
}

function depthOf({ path }: Restoration): number {
  return path.split("/").length;
}

function whyOf(path: string, error: unknown): string {
  return systemFailure(shownPath(path), "restore", error).message;
}

/** Runs with the folder of a path held; throws where a step on the way is a link or a file. */
async function inFolder<Result>(
  root: Folder,
  path: string,
  use: (folder: Folder, name: string) => Result | Promise<Result>,
): Promise<Result> {
  const place = openParent(root, path);
  if (place === undefined) {
    const shown = shownPath(path);
    throw fileFailed(shown, `cannot restore ${shown}: a folder above it is now missing, a link or a file`);
  }
  try {
    return await use(place.folder, place.name);
  } finally {
    if (place.folder !== root) place.folder.close();
  }
}

/** A folder that is read-only now is restored as a whole: what is in it may have to change first. */
function openUp(root: Folder, { path, seen, target }: Restoration): Promise<void> | undefined {
  if (seen?.state.kind !== "folder" || target?.kind !== "folder") return undefined;
  return inFolder(root, path, (folder, name) => chmodFolder(folder, name, target.mode | 0o700));
}

function chmodFolder(folder: Folder, name: string, mode: number): void {
  const opened = folder.open(name);
  try {
    chmodSync(`${opened.path}/.`, mode);
  } finally {
    opened.close();
  }
}

function setFolderMode(root: Folder, { path, target }: Restoration): Promise<void> | undefined {
  if (target?.kind !== "folder") return undefined;
  return inFolder(root, path, (folder, name) => chmodFolder(folder, name, target.mode));
}

/** What is there is of another kind than what was there, or nothing was. */
function removeOld(root: Folder, { path, seen, target }: Restoration): Promise<void> | undefined {
  if (seen === null || seen.state.kind === target?.kind) return undefined;
  return inFolder(root, path, (folder, name) => {
    refuseChanged(folder, { name, path, seen });
    if (seen.state.kind === "folder") removeFolder(folder, name, path);
    else unlinkSync(pathIn(folder.path, name));
    folder.confirm();
  });
}

function removeFolder(folder: Folder, name: string, path: string): void {
  try {
    rmdirSync(pathIn(folder.path, name));
  } catch (error) {
    if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
    const shown = shownPath(path);
    throw fileFailed(shown, `${shown} stays: there is something else in it`);
  }
}

async function makeFolder(root: Folder, { path, seen, target }: Restoration): Promise<void> {
  if (seen?.state.kind === "folder" || target?.kind !== "folder") return;
  makeParents(root, path);
  await inFolder(root, path, (folder, name) => {
    mkdirSync(pathIn(folder.path, name), 0o700);
    giveToOwner(folder, name);
    folder.confirm();
    // When this is cut off, the next undo is to find what it knows.
    chmodFolder(folder, name, target.mode | 0o700);
  });
}

/** Makes the folders above a path that are missing; what else is in the way is left for the next step to refuse. */
function makeParents(root: Folder, path: string): void {
  for (let cut = path.indexOf("/"); cut !== -1; cut = path.indexOf("/", cut + 1)) {
    const place = openParent(root, path.slice(0, cut));
    if (place === undefined) return;
    try {
      if (lookUp(place.folder, place.name) !== undefined) continue;
      mkdirSync(pathIn(place.folder.path, place.name));
      giveToOwner(place.folder, place.name);
    } finally {
      if (place.folder !== root) place.folder.close();
    }
  }
}

async function putBack(root: Folder, item: Restoration, options: RestoreOptions): Promise<void> {
  const { path, target, seen } = item;
  if (target === null || target.kind === "folder") return;
  if (target.kind === "other") throw lost(path, "it was a pipe, a socket or a device");
  if (target.kind === "file" && !isRecorded(target)) throw lost(path, "its bytes were not kept");
  const bytes = isRecorded(target) ? await options.readObject(target.hash) : undefined;
  makeParents(root, path);
  await inFolder(root, path, async (folder, name) => {
    const temporary = `.${randomBytes(9).toString("base64url")}.tmp`;
    const place = { folder, name, path, seen: isRemoved(item) ? null : seen };
    try {
      if (target.kind === "link") makeLink(place, temporary, target.target);
      else await writeFile(place, temporary, { bytes: bytes as Buffer, mode: target.mode });
      refuseChanged(folder, place);
      renameSync(`${folder.path}/${temporary}`, pathIn(folder.path, name));
    } catch (error) {
      unlinkQuietly(`${folder.path}/${temporary}`);
      throw error;
    }
  });
}

function isRemoved({ seen, target }: Restoration): boolean {
  return seen !== null && seen.state.kind !== target?.kind;
}

function lost(path: string, why: string): Error {
  const shown = shownPath(path);
  return fileFailed(shown, `cannot restore ${shown}: ${why}`);
}

interface Spot {
  folder: Folder;
  name: string;
  path: string;
  seen: Seen | null;
}

function makeLink({ folder }: Spot, temporary: string, target: string): void {
  const at = `${folder.path}/${temporary}`;
  symlinkSync(encodeName(target), at);
  folder.confirm();
  const owner = ownerIn(folder);
  if (owner) lchownSync(at, owner.uid, owner.gid);
}

async function writeFile(
  { folder, name }: Spot,
  temporary: string,
  { bytes, mode }: { bytes: Buffer; mode: number },
): Promise<void> {
  const fd = openSync(`${folder.path}/${temporary}`, NEW_FILE, 0o600);
  try {
    folder.confirm();
    for (let written = 0; written < bytes.length;)
      written += (await writeAsync(fd, bytes, written, bytes.length - written, written)).bytesWritten;
    const owner = ownerOf(lookUp(folder, name)) ?? ownerIn(folder);
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, mode);
    await fsyncAsync(fd);
  } finally {
    closeSync(fd);
  }
}

function ownerOf(stats: BigIntStats | undefined): { uid: number; gid: number } | undefined {
  if (stats === undefined || process.geteuid?.() !== 0) return undefined;
  return { uid: Number(stats.uid), gid: Number(stats.gid) };
}

/** Somebody has changed it since it was looked at: theirs stays. */
function refuseChanged(folder: Folder, { name, path, seen }: Omit<Spot, "folder">): void {
  const stats = lookUp(folder, name);
  if (isAsSeen(folder, name, { stats, seen })) return;
  const shown = shownPath(path);
  throw fileFailed(shown, `cannot restore ${shown}: it was changed by somebody else meanwhile`);
}

function isAsSeen(
  folder: Folder,
  name: string,
  { stats, seen }: { stats: BigIntStats | undefined; seen: Seen | null },
): boolean {
  if (stats === undefined || seen === null) return stats === undefined && seen === null;
  const { state, stamp } = seen;
  // Without the time of the inode, which changes when another name of the file is removed.
  if (state.kind === "file")
    return stats.isFile() && withoutInodeTime(toStamp(stats)) === withoutInodeTime(stamp);
  if (state.kind === "folder") return stats.isDirectory();
  if (state.kind === "other") return !stats.isFile() && !stats.isDirectory() && !stats.isSymbolicLink();
  if (!stats.isSymbolicLink()) return false;
  return decodeName(readlinkSync(pathIn(folder.path, name), { encoding: "buffer" })) === state.target;
}

function withoutInodeTime(stamp: string): string {
  return stamp.slice(0, stamp.lastIndexOf(":"));
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never made, or is in place.
  }
}
