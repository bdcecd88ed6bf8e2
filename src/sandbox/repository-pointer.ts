/** Where files that send git elsewhere lead to: `.git` as a file or a link, and `commondir` (gitrepository-layout(5)). */
import { dirname, resolve } from "node:path";
import { openFolderBelow } from "./folder-handle.ts";
import { readSmallFile, toRealPath } from "./git-files.ts";

/** The folder, when it lies in the workspace. `path` and what is returned are relative to its root, and the latter has no links in it. */
export function findTargets(root: string, path: string): string[] {
  const above = dirname(path);
  using folder = openFolderBelow(root, above);
  if (folder === undefined) return [];
  const name = path.slice(path.lastIndexOf("/") + 1);
  const stats = folder.stat(name);
  if (stats === undefined) return [];
  const text = stats.isSymbolicLink() ? name : toTarget(name, readSmallFile(folder, name));
  if (text === undefined) return [];
  // Work trees of the root's own repository are looked at where that one is.
  const target = toRealPath(root, resolve(root, above, text));
  return target === undefined || target.startsWith(".git/worktrees/") ? [] : [target];
}

function toTarget(name: string, text: string | undefined): string | undefined {
  const target = text?.replace(/[\r\n]+$/, "");
  return name === ".git" ? /^gitdir: (.+)$/s.exec(target ?? "")?.[1] : target;
}
