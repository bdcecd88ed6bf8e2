/**
 * A folder that stays the same folder while we use it. On Linux an open descriptor holds it and its children are reached
 * through `/proc/self/fd`, so swapping a parent for a link changes nothing. Elsewhere the path is used and checked again
 * after each step, which narrows the race to an instant.
 */
import {
  type Dir,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
} from "node:fs";
import { errnoOf } from "../core/errors.ts";
import { encodeName } from "./disk-name.ts";
import { pathRefused } from "./failures.ts";

/** Linux only; not among Node's constants. */
const O_PATH = 0o10000000;
const FOLDER_FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * macOS only, `sys/fcntl.h`, not among Node's constants: no link anywhere in the path. Together with O_NOFOLLOW it is refused
 * (EINVAL). Written from its documentation, not tried on a Mac.
 */
const O_NOFOLLOW_ANY = 0x2000_0000;

export interface Folder {
  /** A path whose last step is this folder, for use within this process. */
  readonly path: string;
  /** Opens a folder below that is no link; throws the system's error. */
  open(name: string): Folder;
  /** Throws `path_refused` when the folder was swapped for another meanwhile. */
  confirm(): void;
  close(): void;
}

/** Holds the root of a workspace; `path` has its links resolved. */
export function holdFolder(path: string): Folder {
  const hasDescriptorPaths = process.platform === "linux" && existsSync("/proc/self/fd");
  return hasDescriptorPaths ? descriptorFolder(path) : holdByPath(path);
}

function descriptorFolder(at: string | Buffer): Folder {
  const fd = openSync(at, FOLDER_FLAGS);
  const path = `/proc/self/fd/${fd}`;
  return {
    path,
    open: (name) => descriptorFolder(pathIn(path, name)),
    confirm: () => {},
    close: () => closeSync(fd),
  };
}

/** For systems without descriptor paths. */
export function holdByPath(path: string, parent?: Folder): Folder {
  const held = lstatSync(path, { bigint: true });
  if (!held.isDirectory()) throw Object.assign(new Error(`not a folder: ${path}`), { code: "ENOTDIR" });
  const folder: Folder = {
    path,
    open: (name) => holdByPath(`${path}/${name}`, folder),
    confirm: () => {
      parent?.confirm();
      const now = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (!now?.isDirectory() || now.ino !== held.ino || now.dev !== held.dev)
        throw pathRefused(path, "the folder was replaced meanwhile");
    },
    close: () => {},
  };
  folder.confirm();
  return folder;
}

const UNSHOWN = "\uFFFD";
/** In a larger folder only the first names are compared. */
const MAX_COMPARED = 2_000;

/** A name on disk for people and models: decoded text in which control characters become U+FFFD, as bytes without meaning have. */
export function shownName(name: string): string {
  return name.replaceAll(/\p{Cc}/gu, UNSHOWN);
}

/**
 * A name in a folder, for system calls, as text or as `decodeName` gives it. One with U+FFFD that is not there stands for the only one
 * that is shown so.
 */
export function pathIn(folder: string, name: string): string | Buffer {
  const path = encodeName(`${folder}/${name}`);
  if (typeof path !== "string") return path;
  if (!name.includes(UNSHOWN) || lstatSync(path, { throwIfNoEntry: false })) return path;
  const found = namesIn(folder).filter((each) => shownName(each.toString("utf8")) === name);
  return found.length === 1 ? Buffer.concat([Buffer.from(`${folder}/`), ...found]) : path;
}

function namesIn(folder: string): Buffer[] {
  const names: Buffer[] = [];
  let directory: Dir | undefined;
  try {
    // Not among Node's types: names come as bytes.
    directory = opendirSync(`${folder}/.`, { encoding: "buffer" as BufferEncoding });
    for (let entry = directory.readSync(); entry && names.length < MAX_COMPARED; entry = directory.readSync())
      names.push(entry.name as unknown as Buffer);
  } catch {
    // Where nothing can be listed, nothing is found.
  } finally {
    directory?.closeSync();
  }
  return names;
}

function openWithoutLinks(path: string | Buffer): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
  // A flag that the platform lacks is undefined, which `|` takes as 0.
  const flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
  if (process.platform !== "darwin") return openSync(path, flags | O_NOFOLLOW);
  try {
    return openSync(path, flags | O_NOFOLLOW_ANY);
  } catch (error) {
    if (errnoOf(error) !== "EINVAL") throw error;
    return openSync(path, flags | O_NOFOLLOW);
  }
}

/** A regular file opened for reading. Links, devices, pipes and sockets are refused without being waited for. */
export function openRegular(folder: Folder, name: string, shown: string): number {
  const fd = openWithoutLinks(pathIn(folder.path, name));
  try {
    folder.confirm();
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw pathRefused(shown, "it is not a regular file");
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
