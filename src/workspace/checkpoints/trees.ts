/**
 * A whole scan under one hash: each folder is an object that lists what is in it with hashes, as git's trees do, so that of a workspace
 * where one file has changed only the folders above it are written again. This is what is left of the time before a command when the
 * process is killed while it runs.
 */
import { hash as hashOf } from "node:crypto";
import { type FileState, isHash, isPath, parseState, type PathState } from "./file-state.ts";
import type { Keeper, Seen } from "./look.ts";
import { damaged } from "./packs.ts";

const MAX_DEPTH = 200;
/** Five times what a scan takes in. */
const MAX_ENTRIES = 100_000;

/** `[name, state]`, and for a folder the hash of what is in it. */
type TreeEntry = [string, FileState] | [string, FileState, string];

export async function writeTree(seen: ReadonlyMap<string, Seen>, keep: Keeper): Promise<string> {
  const inFolders = new Map<string, TreeEntry[]>([["", []]]);
  const folders: [path: string, entry: TreeEntry][] = [];
  for (const [path, { state }] of seen) {
    const cut = path.lastIndexOf("/");
    const entry: TreeEntry = [path.slice(cut + 1), state];
    inFolders.get(cut === -1 ? "" : path.slice(0, cut))?.push(entry);
    if (state.kind !== "folder") continue;
    inFolders.set(path, []);
    folders.push([path, entry]);
  }
  // Parents come before what is in them, so the other way round every hash below is known.
  for (const [path, entry] of folders.toReversed()) entry[2] = await write(inFolders.get(path) ?? [], keep);
  return write(inFolders.get("") ?? [], keep);
}

async function write(entries: readonly TreeEntry[], keep: Keeper): Promise<string> {
  const bytes = Buffer.from(JSON.stringify(entries));
  const hash = hashOf("sha256", bytes, "hex");
  if (entries.length > 0 && !keep.has(hash)) await keep.put(hash, bytes);
  return hash;
}

const EMPTY = hashOf("sha256", "[]", "hex");

/** What `writeTree` wrote, by path. Throws `storage_failed`. */
export async function readTree(
  hash: string,
  read: (hash: string) => Promise<Buffer>,
): Promise<Map<string, PathState>> {
  const found = new Map<string, PathState>();
  const visit = async (tree: string, above: string, depth: number): Promise<void> => {
    if (tree === EMPTY) return;
    if (depth > MAX_DEPTH) throw damaged("its folders are nested too deeply");
    if (found.size > MAX_ENTRIES) throw damaged("it lists more files than were ever recorded");
    for (const [name, state, below] of parseTree((await read(tree)).toString("utf8"))) {
      const path = above === "" ? name : `${above}/${name}`;
      found.set(path, state);
      if (below !== undefined) await visit(below, path, depth + 1);
    }
  };
  await visit(hash, "", 0);
  return found;
}

/** Hashes that a tree refers to, those of trees and those of files. */
export function hashesIn(text: string): { files: string[]; trees: string[] } {
  const entries = parseTree(text);
  return {
    files: entries.flatMap(([, state]) => ("hash" in state ? [state.hash] : [])),
    trees: entries.flatMap(([, , below]) => (below === undefined || below === EMPTY ? [] : [below])),
  };
}

function parseTree(text: string): TreeEntry[] {
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch (error) {
    throw damaged("a folder in it is no JSON", error);
  }
  if (!Array.isArray(input)) throw damaged("a folder in it is no list");
  return (input as unknown[]).map(parseEntry);
}

function parseEntry(input: unknown): TreeEntry {
  const [name, given, below] = Array.isArray(input) ? (input as unknown[]) : [];
  const state = parseState(given);
  if (!isPath(name) || name.includes("/") || state === undefined || state === null)
    throw damaged("an entry of a folder in it makes no sense");
  if (below === undefined) return [name, state];
  if (!isHash(below) || state.kind !== "folder") throw damaged("an entry of a folder in it makes no sense");
  return [name, state, below];
}
