/** Looks at one name in a held folder: what it is and, for a file, its bytes. Never through a link. */
import { hash as hashOf } from "node:crypto";
import {
  type BigIntStats,
  closeSync,
  type Dir,
  fstatSync,
  lstatSync,
  opendirSync,
  read as readCallback,
  readlinkSync,
  readSync,
} from "node:fs";
import { promisify } from "node:util";
import { AgentError, errnoOf } from "../../core/errors.ts";
import { decodeName } from "../disk-name.ts";
import { type Folder, openRegular, pathIn } from "../folder.ts";
import type { FileState } from "./file-state.ts";

const readAsync = promisify(readCallback);

/** What was at a path when it was last looked at. */
export interface Seen {
  /** Device, inode, size and both times of a file; what has the same was not written since. */
  stamp: string;
  state: FileState;
  /** Changed so shortly before that a second change could have left the same stamp. */
  young: boolean;
}

export interface LookOptions {
  /** The path, for `known`. */
  path: string;
  /** What was seen earlier. */
  known: ReadonlyMap<string, Seen>;
  /** Most bytes of a file that are read; a larger one is told by its stamp. */
  maxBytes: number;
  /** Keeps the bytes; absent to compare only. */
  keep?: Keeper;
  /** What has the same stamp as before is told in the same way, also where its bytes could be kept now. */
  compare?: boolean;
}

export interface Keeper {
  has(hash: string): boolean;
  put(hash: string, bytes: Buffer): Promise<void>;
}

/** Up to this size one call reads a file at once, which is quicker than a round trip through the thread pool. */
const SMALL_BYTES = 256 * 1024;
/** A kernel writes its coarse clock into a file, which stands still for some milliseconds; some disks keep whole seconds. */
const YOUNG_MS = 50;
const YOUNG_ON_COARSE_DISK_MS = 2_500;
const ATTEMPTS = 3;

export function lookUp(folder: Folder, name: string): BigIntStats | undefined {
  const stats = lstatSync(pathIn(folder.path, name), { bigint: true, throwIfNoEntry: false });
  folder.confirm();
  return stats;
}

/** `undefined` when it is gone meanwhile. A file that cannot be read is told by its stamp. */
export async function look(
  folder: Folder,
  name: string,
  stats: BigIntStats,
  options: LookOptions,
): Promise<Seen | undefined> {
  const mode = Number(stats.mode & 0o777n);
  if (stats.isDirectory()) return { stamp: "", young: false, state: { kind: "folder", mode } };
  if (stats.isSymbolicLink()) return lookAtLink(folder, name);
  if (!stats.isFile()) return { stamp: "", young: false, state: { kind: "other" } };
  const stamp = toStamp(stats);
  const known = options.known.get(options.path);
  if (known !== undefined && known.stamp === stamp && isUsable(known, options)) return known;
  if (stats.size > options.maxBytes) return unrecorded(stats);
  return readFile(folder, name, options);
}

/** A mode changes the time too, so what has the same stamp has the same mode. */
function isUsable({ state, young }: Seen, { keep, maxBytes, compare }: LookOptions): boolean {
  if (state.kind !== "file") return false;
  if (!("hash" in state)) return compare === true || state.size > maxBytes;
  return !young && (keep === undefined || keep.has(state.hash));
}

function lookAtLink(folder: Folder, name: string): Seen | undefined {
  try {
    const target = decodeName(readlinkSync(pathIn(folder.path, name), { encoding: "buffer" }));
    return { stamp: "", young: false, state: { kind: "link", target } };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    return { stamp: "", young: false, state: { kind: "other" } };
  }
}

async function readFile(folder: Folder, name: string, options: LookOptions): Promise<Seen | undefined> {
  let fd: number;
  try {
    fd = openRegular(folder, name, options.path);
  } catch (error) {
    const stats = lookUp(folder, name);
    if (stats === undefined) return undefined;
    if (stats.isFile() && !AgentError.is(error)) return unrecorded(stats);
    return { stamp: "", young: true, state: { kind: "other" } };
  }
  try {
    return await readOpen(fd, options);
  } finally {
    closeSync(fd);
  }
}

async function readOpen(fd: number, { keep, maxBytes }: LookOptions): Promise<Seen> {
  for (let attempt = 1; ; attempt += 1) {
    const stats = fstatSync(fd, { bigint: true });
    if (stats.size > maxBytes) return unrecorded(stats);
    const bytes = await readBytes(fd, Number(stats.size));
    const stamp = toStamp(fstatSync(fd, { bigint: true }));
    const isWhole = stamp === toStamp(stats) && bytes.length === Number(stats.size);
    if (!isWhole && attempt < ATTEMPTS) continue;
    const hash = hashOf("sha256", bytes, "hex");
    if (keep !== undefined && !keep.has(hash)) await keep.put(hash, bytes);
    const state = { kind: "file", mode: Number(stats.mode & 0o777n), size: bytes.length, hash } as const;
    return { stamp, state, young: !isWhole || isYoung(stats) };
  }
}

async function readBytes(fd: number, size: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(size);
  let filled = 0;
  while (filled < size) {
    const count =
      size <= SMALL_BYTES
        ? readSync(fd, buffer, filled, size - filled, filled)
        : (await readAsync(fd, buffer, filled, size - filled, filled)).bytesRead;
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

function unrecorded(stats: BigIntStats): Seen {
  const stamp = toStamp(stats);
  const state = { kind: "file", mode: Number(stats.mode & 0o777n), size: Number(stats.size), stamp } as const;
  return { stamp, state, young: isYoung(stats) };
}

export function toStamp({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

/** Also when its time lies in the future. */
function isYoung({ mtimeNs, ctimeNs }: BigIntStats): boolean {
  const newest = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  const isCoarse = newest % 1_000_000_000n === 0n;
  return Number(newest / 1_000_000n) > Date.now() - (isCoarse ? YOUNG_ON_COARSE_DISK_MS : YOUNG_MS);
}

/** Names in a folder as `decodeName` gives them, sorted; `undefined` when there are more than `limit`. Throws the system's error. */
export function namesIn(folder: Folder, limit: number): string[] | undefined {
  let directory: Dir | undefined;
  try {
    // Not among Node's types: names come as bytes.
    directory = opendirSync(`${folder.path}/.`, {
      bufferSize: 512,
      encoding: "buffer" as BufferEncoding,
    });
    folder.confirm();
    const names: string[] = [];
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      if (names.length === limit) return undefined;
      names.push(decodeName(entry.name as unknown as Buffer));
    }
    return names.sort();
  } finally {
    directory?.closeSync();
  }
}

/** Opens the folder of a path without following links. `undefined` when a step is missing or no folder. The caller closes it. */
export function openParent(root: Folder, path: string): { folder: Folder; name: string } | undefined {
  const names = path.split("/");
  const name = names.pop() as string;
  let folder = root;
  for (const next of names) {
    const above = folder;
    try {
      folder = above.open(next);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ELOOP") return undefined;
      throw error;
    } finally {
      if (above !== root) above.close();
    }
  }
  return { folder, name };
}

/** What is at a path now; `null` for nothing. */
export async function lookAt(root: Folder, options: LookOptions): Promise<Seen | null> {
  const place = openParent(root, options.path);
  if (place === undefined) return null;
  try {
    const stats = lookUp(place.folder, place.name);
    return (stats && (await look(place.folder, place.name, stats, options))) ?? null;
  } finally {
    if (place.folder !== root) place.folder.close();
  }
}
