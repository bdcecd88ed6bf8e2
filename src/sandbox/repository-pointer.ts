/** Where files that send git elsewhere lead to: `.git` as a file or a link, and `commondir` (gitrepository-layout(5)). */
import { realpathSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { openFolderBelow } from "./folder-handle.ts";
import { readSmallFile } from "./pins.ts";

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
  return toRealPath(root, resolve(root, above, text)).filter(
    (target) => !target.startsWith(".git/worktrees/"),
  );
}

function toTarget(name: string, text: string | undefined): string | undefined {
  const target = text?.replace(/[\r\n]+$/, "");
  return name === ".git" ? /^gitdir: (.+)$/s.exec(target ?? "")?.[1] : target;
}

/** Relative to the root; empty when it is missing, outside, or the root itself. */
export function toRealPath(root: string, path: string): string[] {
  try {
    const real = relative(realpathSync(root), realpathSync(path));
    return real === "" || /^\.\.(\/|$)/.test(real) ? [] : [real];
  } catch {
    return [];
  }
}
