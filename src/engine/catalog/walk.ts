/** Finds the `.gguf` files below a folder. Links are followed, loops and depths are not. */
import { readdir, realpath, stat } from "node:fs/promises";
import type { Dirent } from "node:fs";
import { join, sep } from "node:path";
import { errnoOf, errorMessage } from "../../core/errors.ts";

export interface Walk {
  /** Paths below the folder, of files and links to files, in order. */
  paths: readonly string[];
  problems: readonly { path: string; why: string }[];
}

interface Seen {
  /** By device and number. */
  folders: Set<string>;
  /** The real path of where the walk began. */
  root: string;
}

const LIMIT_DEPTH = 8;
const LIMIT_FOLDERS = 10_000;
const LIMIT_FILES = 10_000;

/** A folder that is not there has nothing in it. */
export async function walkModels(root: string): Promise<Walk> {
  const paths: string[] = [];
  const problems: { path: string; why: string }[] = [];
  const seen: Seen = { folders: new Set(), root: await realpath(root).catch(() => root) };
  let folders = [root];
  for (let depth = 0; depth <= LIMIT_DEPTH; depth += 1) {
    const deeper: string[] = [];
    for (const folder of folders) {
      if (seen.folders.size >= LIMIT_FOLDERS || paths.length >= LIMIT_FILES) {
        problems.push({ path: root, why: "has too many folders and files; some of them are not listed" });
        return { paths: paths.sort(), problems };
      }
      const found = await readFolder(folder, seen).catch((thrown: unknown) => {
        if (errnoOf(thrown) !== "ENOENT") problems.push({ path: folder, why: errorMessage(thrown) });
        return { files: [], folders: [] };
      });
      paths.push(...found.files.slice(0, LIMIT_FILES - paths.length));
      deeper.push(...found.folders);
    }
    folders = deeper;
  }
  return { paths: paths.sort(), problems };
}

async function readFolder(
  folder: string,
  seen: Seen,
): Promise<{ files: readonly string[]; folders: readonly string[] }> {
  const { dev, ino } = await stat(folder, { bigint: true });
  const id = `${dev}:${ino}`;
  if (seen.folders.has(id)) return { files: [], folders: [] };
  seen.folders.add(id);
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const isModel = /\.gguf$/i.test(entry.name);
    const isLink = entry.isSymbolicLink() && !isModel;
    if (entry.isDirectory() || (isLink && (await leadsElsewhere(path, seen.root)))) folders.push(path);
    else if (isModel && isFile(entry)) files.push(path);
  }
  return { files, folders };
}

/** A link that leads nowhere is found when its header is read. */
function isFile(entry: Dirent): boolean {
  return entry.isFile() || entry.isSymbolicLink();
}

/** To a folder that is none of those around the models: from there the whole disk would be looked through. */
async function leadsElsewhere(path: string, root: string): Promise<boolean> {
  try {
    const target = await realpath(path);
    const isAround = target === root || root.startsWith(target.endsWith(sep) ? target : target + sep);
    return !isAround && (await stat(target)).isDirectory();
  } catch {
    return false;
  }
}
