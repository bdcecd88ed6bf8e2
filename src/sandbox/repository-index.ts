/**
 * Where repositories lie in a workspace. Looking again costs one `lstat` for each folder: only those that changed are listed anew.
 * Bounded, nearest folders first; whether anything lies beyond the bounds is told.
 */
import { lstatSync, readdirSync, type Dirent, type Stats } from "node:fs";
import { STATE_FOLDER } from "../core/workspace.ts";
import { findTargets } from "./repository-pointer.ts";

export interface Repository {
  /** Relative to the root of the workspace: of the repository's own folder, or of the `.git` that leads to one. */
  path: string;
  /** `pointer`: a `.git` that is a file or a link. */
  kind: "folder" | "pointer";
  /** The same as long as it is the same. */
  key: string;
}

export interface RepositoryIndex {
  /** All repositories there are now. */
  scan(): Repository[];
  /** Whether the last scan left folders out, since there are too many or they lie too deep. */
  isPartial(): boolean;
}

export const MAX_FOLDERS = 10_000;
const MAX_DEPTH = 32;

/** Large and written by package managers: of each only whether it is a repository itself is looked at. */
const SKIPPED: ReadonlySet<string> = new Set([".venv", "__pycache__", "node_modules", "venv"]);

/** The clock of a file system ticks this slowly: what changed just before it was read may change again unseen. */
const TICK_MS = 25;

interface Listing {
  dev: number;
  ino: number;
  changedMs: number;
  /** On the system's clock. */
  readMs: number;
  /** Their paths, relative to the root. */
  folders: readonly string[];
  /** Those that are not listed. */
  skipped: readonly string[];
  isRepository: boolean;
  /** Whether it holds a `.git` that is no folder. */
  hasPointer: boolean;
  hasCommon: boolean;
}

interface Scan {
  root: string;
  /** From the scan before. */
  known: ReadonlyMap<string, Listing>;
  seen: Map<string, Listing>;
  found: Repository[];
  isFull: boolean;
}

export function createRepositoryIndex(root: string): RepositoryIndex {
  let known: ReadonlyMap<string, Listing> = new Map();
  let isPartial = false;
  return {
    scan() {
      const scan: Scan = { root, known, seen: new Map(), found: [], isFull: false };
      let level: readonly string[] = ["."];
      for (let depth = 0; depth <= MAX_DEPTH && level.length > 0; depth += 1) level = scanLevel(scan, level);
      isPartial = level.length > 0 || scan.isFull;
      known = scan.seen;
      return scan.found;
    },
    isPartial: () => isPartial,
  };
}

/** Returns the paths of the next level. */
function scanLevel(scan: Scan, level: readonly string[]): string[] {
  const next: string[] = [];
  for (const path of level) {
    if (scan.seen.has(path)) continue;
    if (scan.seen.size >= MAX_FOLDERS) {
      scan.isFull = true;
      break;
    }
    const listing = lookAt(scan.root, { path, known: scan.known.get(path), found: scan.found });
    if (listing === undefined) continue;
    scan.seen.set(path, listing);
    next.push(...listing.folders);
    for (const skipped of listing.skipped) next.push(...lookAtSkipped(scan, skipped));
    if (listing.hasPointer) next.push(...findTargets(scan.root, join(path, ".git")));
    if (listing.hasCommon) next.push(...findTargets(scan.root, join(path, "commondir")));
  }
  return next;
}

/** Its repositories' folders, to be looked at with the next level. */
function lookAtSkipped({ root, found }: Scan, path: string): string[] {
  const git = look(`${root}/${path}/.git`);
  if (git?.isDirectory()) return [join(path, ".git")];
  if (git !== undefined) {
    found.push(...readPointer(root, join(path, ".git")));
    return findTargets(root, join(path, ".git"));
  }
  return look(`${root}/${path}/HEAD`) === undefined ? [] : [path];
}

/** Adds the repositories to `found`. `undefined` when it is no folder. */
function lookAt(
  root: string,
  { path, known, found }: { path: string; known: Listing | undefined; found: Repository[] },
): Listing | undefined {
  const stats = look(`${root}/${path}`);
  if (!stats?.isDirectory()) return undefined;
  const listing = readListing(root, { path, stats, known });
  if (listing.isRepository) found.push({ path, kind: "folder", key: toKey(stats) });
  if (listing.hasPointer) found.push(...readPointer(root, join(path, ".git")));
  return listing;
}

function join(path: string, name: string): string {
  return path === "." ? name : `${path}/${name}`;
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Without times: they change with every commit. */
function toKey({ dev, ino, birthtimeMs }: Stats): string {
  return `${dev}:${ino}:${birthtimeMs}`;
}

function readPointer(root: string, path: string): Repository[] {
  const stats = look(`${root}/${path}`);
  // Written again it may lead elsewhere.
  return stats === undefined ? [] : [{ path, kind: "pointer", key: `${toKey(stats)}:${stats.ctimeMs}` }];
}

function readListing(
  root: string,
  { path, stats, known }: { path: string; stats: Stats; known: Listing | undefined },
): Listing {
  const { dev, ino, ctimeMs: changedMs } = stats;
  const isSame = known?.changedMs === changedMs && known.ino === ino && known.dev === dev;
  if (isSame && known.readMs - changedMs > TICK_MS) return known;
  const readMs = Date.now();
  const entries = list(`${root}/${path}`);
  const isRepository = isRepositoryFolder(entries);
  const git = entries.find(({ name }) => name === ".git");
  const all = entries.filter((entry) => entry.isDirectory() && entry.name !== STATE_FOLDER);
  const folders = all.filter(({ name }) => !SKIPPED.has(name));
  // Of git's own folders only that of the submodules holds repositories. Others may only look like a repository, to hide what is in them.
  const isOwn = isRepository && `/${path}/`.includes("/.git/");
  const held = isOwn ? folders.filter(({ name }) => name === "modules") : folders;
  return {
    dev,
    ino,
    changedMs,
    readMs,
    isRepository,
    hasPointer: git !== undefined && !git.isDirectory(),
    hasCommon: isRepository && entries.some(({ name }) => name === "commondir"),
    folders: held.map(({ name }) => join(path, name)),
    skipped: isOwn ? [] : all.flatMap(({ name }) => (SKIPPED.has(name) ? [join(path, name)] : [])),
  };
}

/** What git takes for a repository: see `is_git_directory` in its `setup.c`. */
function isRepositoryFolder(entries: readonly Dirent[]): boolean {
  const has = (name: string): boolean => entries.some((entry) => entry.name === name);
  return has("HEAD") && (has("commondir") || (has("objects") && has("refs")));
}

function list(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}
