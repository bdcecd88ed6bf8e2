import { closeSync, fstatSync, readSync } from "node:fs";
import { posix } from "node:path";
import { openRegular } from "./folder.ts";
import { type IgnoreRules, isIgnoredBy, parseIgnoreRules } from "./ignore-rules.ts";
import { type WalkRoot, walkTo } from "./walk.ts";

const IGNORE_FILE = ".gitignore";
/** A larger one is taken for none. */
const MAX_IGNORE_BYTES = 256 * 1024;

interface KnownFolder {
  isIgnored: boolean;
  /** Its own rules and those above it, the nearest first, with how many names of a path lie above each. */
  rules: readonly { rules: IgnoreRules; depth: number }[];
}

/** The text of a folder's `.gitignore`; empty when it has none that is a regular file inside. `folder` is relative to the root. */
export function readIgnoreFile(root: WalkRoot, folder: string): string {
  const path = posix.join(folder, IGNORE_FILE);
  try {
    const place = walkTo(root, path, { shown: path });
    if (!place?.stats?.isFile()) return "";
    try {
      return readSmall(openRegular(place.folder, place.name, path));
    } finally {
      place.release();
    }
  } catch {
    return "";
  }
}

function readSmall(fd: number): string {
  try {
    const size = fstatSync(fd).size;
    if (size > MAX_IGNORE_BYTES) return "";
    const bytes = Buffer.alloc(size);
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, size, 0));
  } finally {
    closeSync(fd);
  }
}

/** Tells of files, relative to the searched folder `base`, whether a `.gitignore` in it or below leaves them out. */
export function createIgnoreFilter(root: WalkRoot, base: string): (path: string) => boolean {
  const known = new Map<string, KnownFolder>();
  const decide = (names: readonly string[], isFolder: boolean, { rules }: KnownFolder): boolean => {
    for (const each of rules) {
      const said = isIgnoredBy(each.rules, names.slice(each.depth), isFolder);
      if (said !== undefined) return said;
    }
    return false;
  };
  const lookAt = (names: readonly string[]): KnownFolder => {
    const path = names.join("/");
    const before = known.get(path);
    if (before) return before;
    const above = names.length === 0 ? undefined : lookAt(names.slice(0, -1));
    const folder = above && (above.isIgnored || decide(names, true, above)) ? IGNORED : open(names, above);
    known.set(path, folder);
    return folder;
  };
  const open = (names: readonly string[], above: KnownFolder | undefined): KnownFolder => {
    const rules = parseIgnoreRules(readIgnoreFile(root, posix.join(base, ...names)));
    const inherited = above?.rules ?? [];
    return {
      isIgnored: false,
      rules: rules.length === 0 ? inherited : [{ rules, depth: names.length }, ...inherited],
    };
  };
  return (path) => {
    const names = path.split("/");
    const folder = lookAt(names.slice(0, -1));
    return folder.isIgnored || decide(names, false, folder);
  };
}

const IGNORED: KnownFolder = { isIgnored: true, rules: [] };
