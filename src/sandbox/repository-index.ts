/**
 * Where repositories lie in a workspace. Looking again costs one `lstat` for each folder: only those that changed are listed anew.
 * Bounded, nearest folders first; what lies deeper than the bounds is not seen.
 */
import { lstatSync, readdirSync, type Dirent, type Stats } from "node:fs";

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
}

const MAX_FOLDERS = 2_000;
const MAX_DEPTH = 12;

/** Large, written by package managers, and nowhere that people use git. */
const SKIPPED: ReadonlySet<string> = new Set([".lmagent", ".venv", "__pycache__", "node_modules", "venv"]);

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
  isRepository: boolean;
  /** Whether it holds a `.git` that is no folder. */
  hasPointer: boolean;
}

export function createRepositoryIndex(root: string): RepositoryIndex {
  let known = new Map<string, Listing>();
  return {
    scan() {
      const seen = new Map<string, Listing>();
      const found: Repository[] = [];
      let level: readonly string[] = ["."];
      for (let depth = 0; depth <= MAX_DEPTH && level.length > 0; depth += 1) {
        const next: string[] = [];
        for (const path of level.slice(0, MAX_FOLDERS - seen.size)) {
          const listing = lookAt(root, { path, known: known.get(path), found });
          if (listing === undefined) continue;
          seen.set(path, listing);
          for (const folder of listing.folders) next.push(folder);
        }
        level = next;
      }
      known = seen;
      return found;
    },
  };
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
  const folders = entries.filter((entry) => entry.isDirectory() && !SKIPPED.has(entry.name));
  // Of a repository's own folders only that of the submodules holds repositories.
  const held = isRepository ? folders.filter(({ name }) => name === "modules") : folders;
  return {
    dev,
    ino,
    changedMs,
    readMs,
    isRepository,
    hasPointer: git !== undefined && !git.isDirectory(),
    folders: held.map(({ name }) => join(path, name)),
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
