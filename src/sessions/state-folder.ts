/**
 * The folder that holds the session files. It lies in the workspace, so it may be hostile: neither it nor its parent may be a link,
 * and on Linux every later access goes through the descriptor opened here, so that exchanging a folder afterwards has no effect.
 */
import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AgentError, errnoOf, errorMessage } from "../core/errors.ts";

export interface StateFolder {
  /** For messages; `entry` is for system calls. */
  readonly path: string;
  entry(name: string): string;
  names(): Promise<string[]>;
  /** Makes new and removed names durable. */
  sync(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** As `openStateFolder`, and has a missing folder made by `make`. Throws `storage_failed` as well when that fails. */
export async function createStateFolder(path: string, make: () => Promise<unknown>): Promise<StateFolder> {
  const found = await openStateFolder(path);
  if (found !== undefined) return found;
  try {
    await make();
  } catch (error) {
    throw toStorageError("make the folder", path, error);
  }
  // What was made may have been exchanged meanwhile, so it is opened with the same care.
  await using parent = await openFolder(dirname(path), dirname(path));
  await parent?.sync();
  const made = parent && (await openFolder(path, parent.entry(basename(path))));
  if (made !== undefined) return made;
  throw toStorageError("open the folder", path, new Error("it was removed while it was being used"));
}

/** `undefined` when there is no such folder yet. Throws `storage_failed` when it or its parent is a link or no folder. */
export async function openStateFolder(path: string): Promise<StateFolder | undefined> {
  await using parent = await openFolder(dirname(path), dirname(path));
  return parent && (await openFolder(path, parent.entry(basename(path))));
}

/** For a failed system call on stored state: says what failed, why, and what helps. */
export function toStorageError(action: string, path: string, cause: unknown): AgentError {
  const errno = AgentError.is(cause) ? cause.data["errno"] : errnoOf(cause);
  const help = HELP[String(errno)] ?? "Check that the folder is there and can be written.";
  return new AgentError("storage_failed", `Cannot ${action} \`${path}\`: ${errorMessage(cause)}. ${help}`, {
    cause,
    data: { path, ...(errno === undefined ? {} : { errno }) },
  });
}

const HELP: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full: free some space, then resume the session.",
  EDQUOT: "Your disk quota is used up: free some space, then resume the session.",
  EROFS: "The file system is read-only.",
  EIO: "The disk reports an error.",
  EACCES: "Check the permissions of the folder.",
  EPERM: "Check the permissions of the folder.",
  ENOTDIR: "It must be a real folder, not a link or a file: move it away.",
  ELOOP: "It must be a real file or folder, not a link: move it away.",
};

const USES_DESCRIPTOR_PATHS = process.platform === "linux";

async function openFolder(path: string, target: string): Promise<StateFolder | undefined> {
  try {
    const handle = await open(target, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const base = USES_DESCRIPTOR_PATHS ? `/proc/self/fd/${handle.fd}` : path;
    return {
      path,
      entry: (name) => join(base, name),
      names: () => readdir(base),
      sync: () => handle.sync(),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw toStorageError("open the folder", path, error);
  }
}
