/** Small files of git, read without following links, and where paths in them lead to. */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { relative } from "node:path";
import type { FolderHandle } from "./folder-handle.ts";
import { parseGitConfig, type GitSetting } from "./git-config.ts";

const MAX_CONFIG_BYTES = 256 * 1_024;

/** The settings in a `config`; `undefined` when it is no file of moderate size or is not in git's format. */
export function readGitConfig(git: FolderHandle, name = "config"): GitSetting[] | undefined {
  const text = readSmallFile(git, name);
  return text === undefined ? undefined : parseGitConfig(text);
}

/** `undefined` when it is no regular file, or larger than such files are. */
export function readSmallFile(folder: FolderHandle, name: string): string | undefined {
  if (!folder.stat(name)?.isFile()) return undefined;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(folder.at(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size > MAX_CONFIG_BYTES) return undefined;
    const buffer = Buffer.alloc(stats.size);
    return buffer.toString("utf8", 0, readSync(descriptor, buffer));
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Relative to the root, without links; `undefined` when it is missing, outside, or the root itself. */
export function toRealPath(root: string, path: string): string | undefined {
  try {
    const real = relative(realpathSync(root), realpathSync(path));
    return real === "" || /^\.\.(\/|$)/.test(real) ? undefined : real;
  } catch {
    return undefined;
  }
}
