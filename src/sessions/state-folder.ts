/**
 * The folder that holds the session files. It lies in the workspace, so it may be hostile: neither it nor its parent may be a link,
 * and on Linux every later access goes through the descriptor opened here, so that exchanging a folder afterwards has no effect.
 */
import { constants } from "node:fs";
import { lchown, lstat, mkdir, open, readdir, writeFile } from "node:fs/promises";
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

/** Makes the folder, mode 0700, and its parent where missing. Throws `storage_failed` when either is a link, no folder, or cannot be made. */
export async function createStateFolder(path: string): Promise<StateFolder> {
  const parentPath = dirname(path);
  const madeParent = await makeFolder(parentPath, parentPath);
  await using parent = await requireFolder(parentPath, parentPath);
  if (madeParent) {
    await giveToOwner(parentPath);
    await hideFromGit(parent);
  }
  const made = await makeFolder(path, parent.entry(basename(path)));
  if (made) await parent.sync();
  return await requireFolder(path, parent.entry(basename(path)));
}

/** An agent that runs as root makes `.lmagent` for the owner of the workspace, as whom commands run that read saved outputs. */
async function giveToOwner(path: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await lstat(dirname(path));
  if (uid !== 0) await lchown(path, uid, gid);
}

/** `undefined` when there is no such folder yet. Throws `storage_failed` like `createStateFolder`. */
export async function openStateFolder(path: string): Promise<StateFolder | undefined> {
  await using parent = await openFolder(dirname(path), dirname(path));
  return parent && (await openFolder(path, parent.entry(basename(path))));
}

/** For a failed system call on stored state: says what failed, why, and what helps. */
export function toStorageError(action: string, path: string, cause: unknown): AgentError {
  const errno = errnoOf(cause);
  const help = HELP[errno ?? ""] ?? "Check that the folder is there and can be written.";
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

/** Whether it was made by this call. */
async function makeFolder(path: string, target: string): Promise<boolean> {
  try {
    await mkdir(target, { mode: 0o700 });
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw toStorageError("create the folder", path, error);
  }
}

async function requireFolder(path: string, target: string): Promise<StateFolder> {
  const folder = await openFolder(path, target);
  if (folder !== undefined) return folder;
  throw toStorageError("open the folder", path, new Error("it was removed while it was being used"));
}

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

/** What the agent keeps about a workspace is not part of the project. */
async function hideFromGit(folder: StateFolder): Promise<void> {
  try {
    await writeFile(folder.entry(".gitignore"), "*\n", { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw toStorageError("write", join(folder.path, ".gitignore"), error);
  }
}
