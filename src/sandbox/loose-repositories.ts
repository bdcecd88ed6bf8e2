/**
 * Repositories of the user that no sandbox can hold as they are: those for which there are too many pins, and those whose `config` or
 * `hooks` is a link, over which nothing can be mounted. What a command changed in them is disarmed after it.
 */
import { openFolder, openFolderBelow, type FolderHandle } from "./folder-handle.ts";
import { disarmRepository } from "./git-disarm.ts";
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
    if (git !== undefined && (index > MAX_REPOSITORIES || hasLink(git))) before.set(path, stateOf(git));
  }
  return () =>
    [...before].flatMap(([path, state]) => {
      using git = openFolderBelow(root, path);
      return git === undefined || stateOf(git) === state ? [] : disarmRepository(git, path, "changed");
    });
}

function hasLink(git: FolderHandle): boolean {
  return ["config", "hooks"].some((name) => git.stat(name)?.isSymbolicLink());
}

/** The same as long as git is told the same. */
function stateOf(git: FolderHandle): string {
  const files = FILES.map((name) => toState(git, name));
  using hooks = openFolder(git.at("hooks"));
  const names = hooks?.names().filter((name) => !name.endsWith(".sample")) ?? [];
  return JSON.stringify([files, names.slice(0, MAX_HOOKS).map((name) => [name, toState(hooks!, name)])]);
}

function toState(folder: FolderHandle, name: string): string {
  const stats = folder.stat(name);
  return stats === undefined ? "" : `${stats.ino} ${stats.size} ${stats.ctimeMs}`;
}
