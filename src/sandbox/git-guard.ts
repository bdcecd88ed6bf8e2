/**
 * What a command may leave in a workspace for other programs to obey. What is there when a command starts is pinned by the sandbox; this
 * looks at what it made anew: a repository is disarmed, and files that editors obey are told of.
 */
import { resolve } from "node:path";
import { SANDBOX_ROOT, type SandboxResult } from "../core/sandbox.ts";
import { openFolder, openFolderBelow, type FolderHandle } from "./folder-handle.ts";
import { disarmRepository, takeAway } from "./git-disarm.ts";
import { lookAtLoose } from "./loose-repositories.ts";
import { readSmallFile } from "./git-files.ts";
import { MAX_REPOSITORIES } from "./pins.ts";
import {
  MAX_FOLDERS,
  createRepositoryIndex,
  type Repository,
  type RepositoryIndex,
} from "./repository-index.ts";
import { lookAtFiles } from "./watched-files.ts";

/** What can be told of one command; more would be noise. */
const MAX_WARNINGS = 8;

export interface GuardedCommand {
  /** Repositories other than the root's own `.git`, as they were: what a sandbox has to pin as well. */
  readonly repositories: readonly string[];
  /** Each command in a workspace has the next number. */
  readonly order: number;
  /** Tells what the command cannot move, once it is known; without it, that is taken to be nothing. `key`: of `toPinKey`. */
  pinned(key: string): void;
  /** Whether neither this command nor another under way in the workspace can move what `key` stands for. */
  isPinnedByAll(key: string): boolean;
  /** Looks again, disarms what is new, and says what was found, in words for the user. Call it once, however the command ended. */
  finish(): string[];
}

interface Running {
  /** What it cannot move. */
  pinKey?: string;
}

interface Watched {
  index: RepositoryIndex;
  known: ReadonlyMap<string, Repository>;
  /** Commands under way. */
  running: Set<Running>;
  /** Commands so far. */
  count: number;
  /** Found while another command ended or began. */
  pending: string[];
  /** Bounds that the user knows of. */
  told: Set<string>;
}

/** By workspace, since several sandboxes may work in one: what another's command makes is not the user's. */
const watched = new Map<string, Watched>();
const MAX_WATCHED = 64;

/** Call it before a command starts. `root`: absolute path of the workspace. Any sandbox can wrap its commands with it. */
export function guardWorkspace(root: string): GuardedCommand {
  const workspace = watched.get(root) ?? watch(root);
  lookForRepositories(root, workspace);
  const own: Running = {};
  workspace.running.add(own);
  workspace.count += 1;
  const repositories = [...workspace.known.values()].flatMap(({ path, kind }) =>
    kind === "folder" && path !== ".git" ? [path] : [],
  );
  const lookAgain = lookAtPlaces(root, repositories);
  return {
    repositories,
    order: workspace.count,
    pinned(key) {
      own.pinKey = key;
    },
    isPinnedByAll: (key) => [own, ...workspace.running].every(({ pinKey }) => pinKey === key),
    finish() {
      lookForRepositories(root, workspace);
      workspace.running.delete(own);
      const found = [...lookAgain(), ...workspace.pending.splice(0)].map(toPlainText);
      return [...shorten(found), ...tellBounds(workspace, repositories.length)];
    },
  };
}

function watch(root: string): Watched {
  for (const [path, { running }] of watched)
    if (watched.size >= MAX_WATCHED && running.size === 0) watched.delete(path);
  const workspace: Watched = {
    index: createRepositoryIndex(root),
    known: new Map(),
    running: new Set(),
    count: 0,
    pending: [],
    told: new Set(),
  };
  watched.set(root, workspace);
  return workspace;
}

/** What came while no command ran was made by the user. */
function lookForRepositories(root: string, workspace: Watched): void {
  const now = workspace.index.scan();
  const added = now.filter(({ path, key }) => workspace.known.get(path)?.key !== key);
  if (workspace.running.size > 0) workspace.pending.push(...added.flatMap((each) => disarm(root, each)));
  workspace.known = new Map(now.map((each) => [each.path, each]));
}

function shorten(found: readonly string[]): string[] {
  if (found.length <= MAX_WARNINGS) return [...found];
  const shown = found.slice(0, MAX_WARNINGS - 1);
  return [
    ...shown,
    `The command left ${found.length - shown.length} more places of this kind that are not named here.`,
  ];
}

/** What is not looked at or not held, once for each workspace. */
function tellBounds({ index, told }: Watched, count: number): string[] {
  const bounds: Record<string, boolean> = {
    [`The workspace has more folders than the ${MAX_FOLDERS.toLocaleString("en")} that are searched for git repositories, or some lie very deep. A repository that a command makes in one of the others is not made harmless: look at its configuration before you use git there.`]:
      index.isPartial(),
    [`The workspace has more than ${MAX_REPOSITORIES} git repositories. Commands can change the configuration and hooks of the others; what can start programs is taken out again after each command.`]:
      count > MAX_REPOSITORIES,
  };
  return Object.keys(bounds).filter((text) => {
    const isNew = bounds[text] === true && !told.has(text);
    if (isNew) told.add(text);
    return isNew;
  });
}

/** Files that other programs obey, and what leads the root's own repository elsewhere. Returns the second look. */
function lookAtPlaces(root: string, repositories: readonly string[]): () => string[] {
  const lookAgain = lookAtFiles(root);
  const lookAtOthers = lookAtLoose(root, repositories);
  const folders = findCommonFolders(root);
  return () => {
    const leading = findCommonFolders(root).filter((path) => !folders.includes(path));
    return [...lookAgain(), ...lookAtOthers(), ...leading.flatMap((path) => removeCommonFolder(root, path))];
  };
}

/** A command from before its start to after its end; what it left is told in its result. */
export async function runGuarded(
  root: string,
  body: (guarded: GuardedCommand) => Promise<SandboxResult>,
): Promise<SandboxResult> {
  const guarded = guardWorkspace(root);
  let warnings: string[] = [];
  let result: SandboxResult;
  try {
    result = await body(guarded);
  } finally {
    warnings = guarded.finish();
  }
  return withWarnings(result, warnings);
}

/** The start of a program that stays; `body` finishes the guard when that has ended. */
export async function startGuarded<T>(
  root: string,
  body: (guarded: GuardedCommand) => Promise<T>,
): Promise<T> {
  const guarded = guardWorkspace(root);
  try {
    return await body(guarded);
  } catch (thrown) {
    guarded.finish();
    throw thrown;
  }
}

/** The result with these warnings after its own. */
export function withWarnings(result: SandboxResult, warnings: readonly string[]): SandboxResult {
  if (warnings.length === 0) return result;
  return { ...result, warnings: [...(result.warnings ?? []), ...warnings] };
}

function disarm(root: string, { path, kind }: Repository): string[] {
  using folder = openFolderBelow(root, kind === "pointer" ? toParent(path) : path);
  if (folder === undefined) return [];
  if (kind === "folder") return isUsualWorktree(folder, path) ? [] : disarmRepository(folder, path);
  if (leadsHome(readSmallFile(folder, ".git"), toParent(path))) return [];
  return [
    `The command made \`${path}\` as a link or a file, which sends git elsewhere. Look at it before you use git there.`,
  ];
}

function toParent(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
}

/** Work trees and submodules lead into the root's own repository, where they are looked at. `text`: of the `.git` file in `folder`. */
function leadsHome(text: string | undefined, folder: string): boolean {
  const target = /^gitdir: ([^\n]+)\n?$/.exec(text ?? "")?.[1];
  return (
    target !== undefined &&
    /^\/workspace\/\.git\/(worktrees|modules)\/./.test(resolve(SANDBOX_ROOT, folder, target))
  );
}

/** It takes everything from the repository it lies in, which is looked at itself. */
function isUsualWorktree(git: FolderHandle, path: string): boolean {
  return (
    /(^|\/)\.git\/worktrees\/[^/]+$/.test(path) &&
    git.stat("config.worktree") === undefined &&
    readSmallFile(git, "commondir")?.trim() === "../.."
  );
}

/** How many further work trees of the root's own repository are looked at. */
const MAX_WORKTREES = 64;

/** Files of the root's own repository that name another folder for git to take its configuration from, but for usual work trees. */
function findCommonFolders(root: string): string[] {
  using git = openFolder(`${root}/.git`);
  if (git === undefined) return [];
  const found = git.stat("commondir") === undefined ? [] : [".git/commondir"];
  using worktrees = openFolder(git.at("worktrees"));
  for (const name of worktrees?.names().slice(0, MAX_WORKTREES) ?? []) {
    using worktree = openFolder(worktrees!.at(name));
    if (worktree?.stat("commondir") === undefined) continue;
    if (readSmallFile(worktree, "commondir")?.trim() !== "../..")
      found.push(`.git/worktrees/${name}/commondir`);
  }
  return found;
}

function removeCommonFolder(root: string, path: string): string[] {
  const folder = path.slice(0, path.lastIndexOf("/"));
  using git = openFolderBelow(root, folder);
  return git?.stat("commondir") === undefined ? [] : [takeAway(git, { where: folder, name: "commondir" })];
}

/** What could move the cursor, hide text or turn its direction is shown as an escape. */
function toPlainText(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (letter) => {
    return `\\u{${letter.codePointAt(0)!.toString(16)}}`;
  });
}
