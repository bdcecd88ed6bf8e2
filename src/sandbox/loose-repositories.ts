/**
 * Repositories of the user that no sandbox can hold as they are: those for which there are too many pins, and those that git reads
 * through a link, over which nothing can be mounted, or from a place that is not there yet. What a command changed in them is disarmed after it.
 */
import { basename, dirname } from "node:path";
import { openFolder, openFolderBelow, type FolderHandle } from "./folder-handle.ts";
import { disarmRepository } from "./git-disarm.ts";
import { findRedirects, type Redirect } from "./git-redirects.ts";
import { MAX_REPOSITORIES } from "./pins.ts";

/** Hooks of one repository that are looked at. */
const MAX_HOOKS = 64;

const FILES = ["config", "config.worktree", "commondir", "hooks"];

/**
 * `repositories`: paths relative to the root, in the order in which they are pinned. Returns the second look, which disarms and says
 * what it did in words for the user.
 */
export function lookAtLoose(root: string, repositories: readonly string[]): () => string[] {
  const before = new Map<string, string>();
  for (const [index, path] of [".git", ...repositories].entries()) {
    using git = openFolderBelow(root, path);
    if (git === undefined) continue;
    const redirects = findRedirects(root, path);
    const isLoose = index > MAX_REPOSITORIES || hasLink(git) || redirects.some(isMovable);
    if (isLoose) before.set(path, stateOf(root, git, redirects));
  }
  return () =>
    [...before].flatMap(([path, state]) => {
      using git = openFolderBelow(root, path);
      if (git === undefined || stateOf(root, git, findRedirects(root, path)) === state) return [];
      return disarmRepository(git, path, "changed");
    });
}

function isMovable({ path, target }: Redirect): boolean {
  return path !== target;
}

function hasLink(git: FolderHandle): boolean {
  return ["config", "hooks"].some((name) => git.stat(name)?.isSymbolicLink());
}

/** The same as long as git is told the same. */
function stateOf(root: string, git: FolderHandle, redirects: readonly Redirect[]): string {
  const files = FILES.map((name) => toState(git, name));
  const targets = redirects.map(({ target }) => (target === undefined ? "" : toTargetState(root, target)));
  return JSON.stringify([redirects, targets, files, toHookStates(git, "hooks")]);
}

function toTargetState(root: string, path: string): unknown {
  using above = openFolderBelow(root, dirname(path));
  return above && [toState(above, basename(path)), toHookStates(above, basename(path))];
}

/** Empty for what is no folder. */
function toHookStates(above: FolderHandle, name: string): string[] {
  using hooks = openFolder(above.at(name));
  if (hooks === undefined) return [];
  const names = hooks.names().filter((each) => !each.endsWith(".sample"));
  return names.slice(0, MAX_HOOKS).map((each) => `${each} ${toState(hooks, each)}`);
}

function toState(folder: FolderHandle, name: string): string {
  const stats = folder.stat(name);
  return stats === undefined ? "" : `${stats.ino} ${stats.size} ${stats.ctimeMs}`;
}
