/** Removes checkpoints that nobody can ask for any more, and those that make the store too large, the oldest first. */
import { lstatSync, readdirSync, unlinkSync } from "node:fs";
import type { Archive } from "./archive.ts";
import { isCheckpointId } from "./checkpoint-id.ts";
import { isRecorded, type PathState } from "./file-state.ts";
import type { Folder } from "../folder.ts";
import { isUsedByOthers } from "./in-use.ts";
import { type Manifest, MANIFEST, readManifest } from "./manifest.ts";
import { hashesIn } from "./trees.ts";

export interface PruneOptions {
  /** Sessions that there are; checkpoints of others go. Absent: all may be there. */
  sessions?: ReadonlySet<string>;
  /** Session that is open: its checkpoints stay in any case. */
  open?: string | undefined;
  /** Checkpoints that stay in any case, such as those that a copy of a session took over. */
  checkpoints?: ReadonlySet<string>;
  /** Most bytes of all files together, as they were before they were deflated; default 512 MiB. */
  maxBytes?: number;
}

export interface PruneOutcome {
  /** Checkpoints that are gone. */
  removed: readonly string[];
  /** Not finished, since a run needed the store or another process is at work; a later call goes on. */
  stopped: boolean;
}

const MAX_BYTES = 512 * 1024 * 1024;
/** What belongs to no session, such as what an undo has overwritten, and what is so new that its session may not be listed. */
const LOOSE_MS = 7 * 24 * 60 * 60 * 1_000;
const NEW_MS = 60 * 60 * 1_000;
/** Small files of many processes are put together. */
const MANY_PACKS = 32;

interface Kept {
  manifest: Manifest;
  at: number;
}

export async function pruneArchive(archive: Archive, options: PruneOptions): Promise<PruneOutcome> {
  const folder = archive.existing();
  if (folder === undefined) return { removed: [], stopped: false };
  archive.load();
  archive.packs.load();
  if (isUsedByOthers(folder, archive.name)) return { removed: [], stopped: true };
  const { kept, removed } = sortOut(folder, options);
  const live = new Set<string>();
  let total = 0;
  for (const { manifest, at } of kept) {
    if (archive.isWanted) return { removed: [], stopped: true };
    const isSafe = isOpen(manifest, options) || Date.now() - at < NEW_MS;
    if (total > (options.maxBytes ?? MAX_BYTES) && !isSafe) removed.push(manifest.head.id);
    else total += await addHashes(archive, manifest, live);
  }
  const emptied = await moveOut(archive, live);
  // Whoever came meanwhile may count on what would be removed.
  if (archive.isWanted || isUsedByOthers(folder, archive.name)) return { removed: [], stopped: true };
  for (const id of removed) unlinkSync(`${folder.path}/${id}${MANIFEST}`);
  for (const pack of emptied) {
    unlinkSync(`${folder.path}/${pack}`);
    archive.packs.forget(pack);
  }
  return { removed, stopped: false };
}

function isOpen({ head }: Manifest, { open, checkpoints }: PruneOptions): boolean {
  return (open !== undefined && head.session === open) || checkpoints?.has(head.id) === true;
}

/** Newest first. What cannot be read can be undone by nobody. */
function sortOut(folder: Folder, options: PruneOptions): { kept: Kept[]; removed: string[] } {
  const kept: Kept[] = [];
  const removed: string[] = [];
  for (const file of readdirSync(folder.path)) {
    const id = file.slice(0, -MANIFEST.length);
    if (!file.endsWith(MANIFEST) || !isCheckpointId(id)) continue;
    const stats = lstatSync(`${folder.path}/${file}`);
    if (stats.isDirectory()) continue;
    const at = stats.mtimeMs;
    const manifest = readOrNothing(folder, id);
    if (manifest !== undefined && isKept(manifest, at, options)) kept.push({ manifest, at });
    else removed.push(id);
  }
  return { kept: kept.sort((one, other) => other.at - one.at), removed };
}

function readOrNothing(folder: Folder, id: string): Manifest | undefined {
  try {
    return readManifest(folder, id);
  } catch {
    return undefined;
  }
}

function isKept(manifest: Manifest, at: number, options: PruneOptions): boolean {
  const age = Date.now() - at;
  const { session } = manifest.head;
  if (isOpen(manifest, options) || age < NEW_MS) return true;
  if (session === undefined) return age < LOOSE_MS;
  return options.sessions?.has(session) ?? true;
}

/** Adds what a checkpoint needs; returns the bytes that it adds. What is damaged is needed as far as it can be read. */
async function addHashes(archive: Archive, manifest: Manifest, live: Set<string>): Promise<number> {
  let bytes = 0;
  const add = (hash: string): boolean => {
    if (live.has(hash)) return false;
    live.add(hash);
    bytes += archive.packs.sizeOf(hash);
    return true;
  };
  const addState = (state: PathState): void => void (isRecorded(state) && add(state.hash));
  const addTree = async (tree: string): Promise<void> => {
    if (!archive.packs.has(tree) || !add(tree)) return;
    const { files, trees } = hashesIn((await archive.packs.read(tree)).toString("utf8"));
    for (const hash of files) add(hash);
    for (const below of trees) await addTree(below);
  };
  for (const start of manifest.starts) {
    if ("before" in start) for (const [, state] of start.before) addState(state);
    // Of a command that ended, the steps say all that is needed.
    else if (!manifest.ends.has(start.call)) await addTree(start.tree).catch(() => {});
  }
  for (const steps of manifest.ends.values())
    for (const { before, after } of steps) {
      addState(before);
      addState(after);
    }
  return bytes;
}

/** Files in which nothing is needed, or so little that it was moved to our own. */
async function moveOut(archive: Archive, live: ReadonlySet<string>): Promise<string[]> {
  const { packs } = archive;
  const isMany = packs.others.length > MANY_PACKS;
  const emptied: string[] = [];
  for (const pack of packs.others) {
    if (archive.isWanted) break;
    const objects = packs.objectsIn(pack);
    const needed = objects.filter(({ hash }) => live.has(hash));
    const size = sum(objects);
    if (!isMany && sum(needed) * 2 > size) continue;
    for (const { hash } of needed) await packs.move(hash);
    emptied.push(pack);
  }
  await packs.flush({ sync: true });
  return emptied;
}

function sum(objects: readonly { size: number }[]): number {
  return objects.reduce((total, { size }) => total + size, 0);
}
