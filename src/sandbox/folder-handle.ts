/**
 * A folder that stays the one that was opened, whatever happens to its path. On Linux names are looked up below its descriptor; elsewhere
 * the path has to do, checked when it is opened. Links are never followed.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, type Stats } from "node:fs";

export interface FolderHandle extends Disposable {
  /** A path to what has this name in the folder, for one call. The name itself may be a link. */
  at(name: string): string;
  /** `undefined` when it is missing. */
  stat(name: string): Stats | undefined;
  names(): string[];
  readonly stats: Stats;
}

const isLinux = process.platform === "linux";

/** `O_PATH` is a number that Node does not know. Such a descriptor opens nothing: no pipe blocks, no device acts. */
const O_PATH = 0o10_000_000;

/** `undefined` when there is no folder of this name. */
export function openFolder(path: string): FolderHandle | undefined {
  try {
    return isLinux ? openByDescriptor(path) : openByPath(path);
  } catch {
    return undefined;
  }
}

/** Like `openFolder`, for a path below a folder. No part of it may be a link. */
export function openFolderBelow(root: string, path: string): FolderHandle | undefined {
  let folder = openFolder(root);
  for (const name of path === "." ? [] : path.split("/")) {
    using above = folder;
    folder = above && openFolder(above.at(name));
  }
  return folder;
}

function openByDescriptor(path: string): FolderHandle {
  const descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW | constants.O_DIRECTORY);
  return {
    at: (name) => `/proc/self/fd/${descriptor}/${name}`,
    stat: (name) => lstatSync(`/proc/self/fd/${descriptor}/${name}`, { throwIfNoEntry: false }),
    names: () => readdirSync(`/proc/self/fd/${descriptor}`),
    stats: fstatSync(descriptor),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function openByPath(path: string): FolderHandle | undefined {
  const stats = lstatSync(path);
  if (!stats.isDirectory()) return undefined;
  return {
    at: (name) => `${path}/${name}`,
    stat: (name) => lstatSync(`${path}/${name}`, { throwIfNoEntry: false }),
    names: () => readdirSync(path),
    stats,
    [Symbol.dispose]: () => {},
  };
}

/**
 * A descriptor of `path` below a folder, reached without following any link; it names and does not open. Only on Linux. `undefined`
 * when something on the way is missing or is a link.
 */
export function openPathBelow(root: string, path: string): number | undefined {
  const names = path === "." ? [] : path.split("/");
  let descriptor: number | undefined;
  try {
    descriptor = openSync(root, O_PATH | constants.O_NOFOLLOW | constants.O_DIRECTORY);
    for (const name of names) {
      const next = openSync(`/proc/self/fd/${descriptor}/${name}`, O_PATH | constants.O_NOFOLLOW);
      closeSync(descriptor);
      descriptor = next;
    }
    if (!fstatSync(descriptor).isSymbolicLink()) return descriptor;
  } catch {
    // Missing, or changed meanwhile.
  }
  if (descriptor !== undefined) closeSync(descriptor);
  return undefined;
}
