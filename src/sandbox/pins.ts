/**
 * Places in the workspace that other programs obey: our own state, git's configuration and hooks, tasks of editors. A sandbox mounts
 * each again on itself, read-only, and the folders above it too, so that none can be moved away and replaced.
 */
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { AgentError, errorMessage } from "../core/errors.ts";
import { STATE_FOLDER } from "../core/workspace.ts";
import { openFolder, openFolderBelow, type FolderHandle } from "./folder-handle.ts";
import { type GitSetting } from "./git-config.ts";
import { readGitConfig } from "./git-files.ts";
import { findRedirects } from "./git-redirects.ts";

export interface Pin {
  /** Relative to the root of the workspace, with `/`. No part of it is a link. */
  path: string;
  kind: "file" | "folder";
  /** `write`: mounted on itself only so that it stays where it is. */
  access: "read" | "write";
  /** What was found there: a mount holds on to it, so with another number it has to be made again. */
  dev: number;
  ino: number;
}

/** The same for the same pins in the same places. Without the workspace itself, `.`, which is checked elsewhere. */
export function toPinKey(pins: readonly Pin[]): string {
  const rows = pins.map(({ path, kind, access, dev, ino }) => [path, kind, access, dev, ino]);
  return JSON.stringify(rows.filter(([path]) => path !== "."));
}

/**
 * Files that editors and shells run or take orders from when the workspace is opened, and the agent's own memory. Only those that are
 * there can be pinned.
 */
export const OBEYED_FILES: readonly string[] = [
  ".envrc",
  ".idea",
  ".lmagent.md",
  ".soul.md",
  ".vscode/launch.json",
  ".vscode/settings.json",
  ".vscode/tasks.json",
];

const MAX_MODULES = 32;
export const MAX_REPOSITORIES = 32;
const MAX_MODULE_DEPTH = 4;

/**
 * What to pin, parents before what is in them. Makes what has to be there to be pinned: `.lmagent`, and in a `.git` folder `config`
 * and `hooks`. A `.git` that is a link is left out: it leads nowhere that commands can reach and cannot be pinned.
 * `repositories`: further folders of repositories, as `createWorkspaceGuard` finds them.
 * Throws `AgentError` `workspace_invalid` when `.lmagent` is no folder or cannot be made.
 */
export function readPins(root: string, repositories: readonly string[] = []): readonly Pin[] {
  using folder = openFolder(root);
  if (folder === undefined) {
    throw new AgentError(
      "workspace_invalid",
      `The workspace \`${root}\` is not a folder; choose one that exists.`,
      {
        data: { path: root },
      },
    );
  }
  ensureStateFolder(root, folder);
  const pins = new PinList(folder);
  pins.add(STATE_FOLDER);
  addRepository(pins, folder, { root, path: ".git" });
  for (const path of repositories.slice(0, MAX_REPOSITORIES)) addRepository(pins, folder, { root, path });
  for (const path of OBEYED_FILES) pins.add(path);
  return pins.found;
}

/** Looks every path up without following links, and each folder on the way only once. */
class PinList {
  readonly found: Pin[] = [];
  readonly #root: FolderHandle;

  constructor(root: FolderHandle) {
    this.#root = root;
  }

  /** Does nothing for what is missing, is a link, or is pinned already. */
  add(path: string): void {
    const names = path.split("/");
    const open: FolderHandle[] = [];
    const parents: Pin[] = [];
    try {
      for (const [index, name] of names.entries()) {
        const above = open.at(-1) ?? this.#root;
        const way = names.slice(0, index + 1).join("/");
        const isLast = index === names.length - 1;
        const pin = toPin(above, { name, path: way, access: isLast ? "read" : "write" });
        if (pin === undefined) return;
        parents.push(pin);
        const next = isLast ? undefined : openFolder(above.at(name));
        if (!isLast && next === undefined) return;
        if (next !== undefined) open.push(next);
      }
    } finally {
      for (const each of open) each[Symbol.dispose]();
    }
    for (const pin of parents) {
      const known = this.found.find((other) => other.path === pin.path);
      if (known === undefined) this.found.push(pin);
      else if (pin.access === "read") known.access = "read";
    }
  }
}

function toPin(
  folder: FolderHandle,
  { name, ...rest }: Pick<Pin, "path" | "access"> & { name: string },
): Pin | undefined {
  const stats = folder.stat(name);
  if (stats?.isDirectory()) return { ...rest, kind: "folder", dev: stats.dev, ino: stats.ino };
  if (stats?.isFile() && rest.access === "read")
    return { ...rest, kind: "file", dev: stats.dev, ino: stats.ino };
  return undefined;
}

/** It must be there to be laid over read-only; made by a command it could hold anything. */
function ensureStateFolder(root: string, folder: FolderHandle): void {
  const found = folder.stat(STATE_FOLDER);
  if (found?.isDirectory()) return;
  const path = `${root}/${STATE_FOLDER}`;
  if (found !== undefined) {
    throw new AgentError(
      "workspace_invalid",
      `\`${path}\` is a link or a file, which may have been planted; remove it.`,
      { data: { path } },
    );
  }
  try {
    mkdirSync(folder.at(STATE_FOLDER), { mode: 0o700 });
    // Like everywhere this folder is made: git does not list it.
    writeFileSync(folder.at(`${STATE_FOLDER}/.gitignore`), "*\n", { flag: "wx", mode: 0o644 });
    giveToOwner(folder, STATE_FOLDER);
  } catch (cause) {
    throw new AgentError(
      "workspace_invalid",
      `\`${path}\` could not be made: ${errorMessage(cause)}. Make the workspace writable.`,
      { cause, data: { path } },
    );
  }
}

/** What root makes in a folder belongs to the folder's owner. */
function giveToOwner(folder: FolderHandle, name: string): void {
  if (process.getuid?.() === 0) chownSync(folder.at(name), folder.stats.uid, folder.stats.gid);
}

/** The folder itself, which read-only would keep every commit from being made, and in it what starts programs. */
function addRepository(
  pins: PinList,
  folder: FolderHandle,
  { root, path }: { root: string; path: string },
): void {
  using git = openFolderBelow(folder.at("."), path);
  // A file that leads to a repository elsewhere.
  if (git === undefined) return pins.add(path);
  const within = path === "." ? "" : `${path}/`;
  // Git takes the configuration and the hooks of such a folder from another one.
  if (git.stat("commondir") !== undefined) {
    for (const name of ["commondir", "config.worktree"]) pins.add(`${within}${name}`);
    return;
  }
  ensureGitPlaces(git);
  const settings = readGitConfig(git) ?? [];
  for (const name of ["config", "hooks", ...toWorktreeConfig(settings, git)]) pins.add(`${within}${name}`);
  for (const { target } of findRedirects(root, path)) if (target !== undefined) pins.add(target);
  if (path !== ".git") return;
  const modules: string[] = [];
  using stored = openFolder(git.at("modules"));
  if (stored !== undefined) findModules(stored, { path: ".git/modules", depth: 0, found: modules });
  for (const module of modules) for (const name of ["config", "hooks"]) pins.add(`${module}/${name}`);
}

function ensureGitPlaces(git: FolderHandle): void {
  try {
    if (git.stat("hooks") === undefined) {
      mkdirSync(git.at("hooks"));
      giveToOwner(git, "hooks");
    }
    if (git.stat("config") === undefined) makeEmptyFile(git, "config");
  } catch {
    // A folder that not even we can write to needs no pins.
  }
}

function makeEmptyFile(folder: FolderHandle, name: string): void {
  writeFileSync(folder.at(name), "", { flag: "wx", mode: 0o644 });
  giveToOwner(folder, name);
}

/** A second file of settings, obeyed when `extensions.worktreeConfig` is on. */
function toWorktreeConfig(settings: readonly GitSetting[], git: FolderHandle): string[] {
  const isOn = settings.some(
    ({ section, key, value }) => section === "extensions" && key === "worktreeconfig" && value !== "false",
  );
  if (!isOn) return [];
  try {
    if (git.stat("config.worktree") === undefined) makeEmptyFile(git, "config.worktree");
  } catch {
    // As above.
  }
  return ["config.worktree"];
}

interface ModuleSearch {
  path: string;
  depth: number;
  found: string[];
}

/** Repositories of submodules: folders with a `config` file, at any depth since names of submodules may hold `/`. */
function findModules(folder: FolderHandle, { path, depth, found }: ModuleSearch): void {
  if (depth > MAX_MODULE_DEPTH) return;
  for (const name of folder.names()) {
    if (found.length >= MAX_MODULES) return;
    using inner = openFolder(folder.at(name));
    if (inner === undefined) continue;
    const way = `${path}/${name}`;
    if (!inner.stat("config")?.isFile()) {
      findModules(inner, { path: way, depth: depth + 1, found });
      continue;
    }
    ensureGitPlaces(inner);
    found.push(way);
    using nested = openFolder(inner.at("modules"));
    if (nested !== undefined) findModules(nested, { path: `${way}/modules`, depth: depth + 1, found });
  }
}
