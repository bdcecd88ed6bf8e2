/**
 * Places outside a repository's own `config` and `hooks` that git obeys all the same since the user has sent it there: files that the
 * configuration draws in, `core.hooksPath` (git-config(1)), and what is behind a link in the place of `config` or `hooks`.
 */
import { homedir } from "node:os";
import { dirname, relative, resolve } from "node:path";
import { openFolderBelow } from "./folder-handle.ts";
import type { GitSetting } from "./git-config.ts";
import { readGitConfig, toRealPath } from "./git-files.ts";

export interface Redirect {
  /** As it is named; relative to the root of the workspace. */
  path: string;
  /** Where that leads now, without links; `undefined` when it is missing or leads out of the workspace. */
  target: string | undefined;
}

/** Of one repository. */
const MAX_REDIRECTS = 32;

/** Those in the workspace: others are out of the reach of commands. `git`: the repository's folder, relative to the root. */
export function findRedirects(root: string, git: string): Redirect[] {
  const found: Redirect[] = [];
  const add = (path: string): Redirect | undefined => {
    const way = relative(root, path);
    const isKnown = found.some((other) => other.path === way);
    if (isKnown || found.length >= MAX_REDIRECTS || way === "" || /^\.\.(\/|$)/.test(way)) return undefined;
    const redirect = { path: way, target: toRealPath(root, path) };
    found.push(redirect);
    return redirect;
  };
  const own = ["config", "config.worktree", "hooks"].map((name) => add(resolve(root, git, name)));
  const settings = readAll(root, own.slice(0, 2), add);
  const tree = toWorkTree(resolve(root, git), settings);
  for (const path of settings.flatMap(toHooksPath)) add(toFull(path, tree));
  // What is missing or where it usually is, is no redirect.
  return found.filter(
    (each) => !own.includes(each) || (each.target !== undefined && each.target !== each.path),
  );
}

/** The settings in these files and in those that they draw in, which are added. */
function readAll(
  root: string,
  files: readonly (Redirect | undefined)[],
  add: (path: string) => Redirect | undefined,
): GitSetting[] {
  const settings: GitSetting[] = [];
  const left = [...files];
  while (left.length > 0) {
    const file = left.shift();
    if (file?.target === undefined) continue;
    const within = readSettings(root, file.target);
    settings.push(...within);
    const folder = resolve(root, dirname(file.path));
    left.push(...within.flatMap(toIncluded).map((path) => add(toFull(path, folder))));
  }
  return settings;
}

function readSettings(root: string, path: string): GitSetting[] {
  using folder = openFolderBelow(root, dirname(path));
  return (folder && readGitConfig(folder, path.slice(path.lastIndexOf("/") + 1))) ?? [];
}

function toIncluded({ section, key, value }: GitSetting): string[] {
  const isInclude = (section === "include" || section === "includeif") && key === "path";
  return isInclude && value !== undefined ? [value] : [];
}

function toHooksPath({ section, subsection, key, value }: GitSetting): string[] {
  const isHooksPath = section === "core" && subsection === "" && key === "hookspath";
  return isHooksPath && value !== undefined && value !== "" ? [value] : [];
}

function toFull(path: string, folder: string): string {
  return path.startsWith("~/") ? resolve(homedir(), path.slice(2)) : resolve(folder, path);
}

/** Where git runs hooks: in the work tree, or without one in the repository. */
function toWorkTree(git: string, settings: readonly GitSetting[]): string {
  const named = settings.findLast(({ section, key }) => section === "core" && key === "worktree")?.value;
  if (named !== undefined) return resolve(git, named);
  return git.endsWith("/.git") ? dirname(git) : git;
}
