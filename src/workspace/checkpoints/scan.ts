/** Looks at the whole workspace, as far as its bounds and rules let it, without following links and without reading what did not change. */
import { type BigIntStats, lstatSync } from "node:fs";
import { setImmediate as nextTick } from "node:timers/promises";
import { errnoOf } from "../../core/errors.ts";
import { STATE_FOLDER } from "../../core/workspace.ts";
import { encodeName } from "../disk-name.ts";
import type { Folder } from "../folder.ts";
import { readIgnoreFile } from "../ignore-filter.ts";
import { type IgnoreRules, isIgnoredBy, parseIgnoreRules } from "../ignore-rules.ts";
import { foldName } from "../paths.ts";
import { UNSEARCHED_FOLDERS } from "../protect.ts";
import type { WalkRoot } from "../walk.ts";
import type { CheckpointBounds, Omissions } from "./bounds.ts";
import { isRecorded, isUnrecorded } from "./file-state.ts";
import { type Keeper, look, lookUp, namesIn, openParent, type Seen, toStamp } from "./look.ts";

export interface ScanOptions {
  /** What was seen earlier; what has not changed since is not read again. */
  known: ReadonlyMap<string, Seen>;
  bounds: CheckpointBounds;
  keep?: Keeper;
  signal?: AbortSignal;
  /** The scan before a command, when this is the one after it: the same folders and rules count. */
  earlier?: Scan;
}

export interface Scan {
  /** By path; parents before what is in them. */
  seen: Map<string, Seen>;
  omissions: Omissions;
  /** By folder, the root as empty text. */
  rules: Map<string, readonly FolderRules[]>;
}

/** `depth`: how many names of a path lie above the folder of the rules. */
interface FolderRules {
  rules: IgnoreRules;
  depth: number;
}

interface Pending {
  path: string;
  names: readonly string[];
  folder: Folder | undefined;
  rules: readonly FolderRules[];
}

interface Walk {
  root: WalkRoot;
  options: ScanOptions;
  scan: Scan;
  pending: Pending[];
  leftOut: ReadonlySet<string>;
  entries: number;
  bytes: number;
  held: number;
  pauseAt: number;
  endAt: number;
}

/** Folders held open at once while what is in them waits; others are walked to again. */
const MAX_HELD = 128;
const MAX_DEPTH = 128;
const SLICE_MS = 10;
/** Only named to the user. */
const MAX_IGNORED = 50;
/** A command may make so many times more than what was there before. */
const GROWTH = 2;
const IGNORE_FILE = ".gitignore";

/** Throws when it is aborted, or when the root itself cannot be listed. */
export async function scanWorkspace(root: WalkRoot, options: ScanOptions): Promise<Scan> {
  const omissions: Omissions = { folders: [], files: [], ignored: [] };
  const scan: Scan = { seen: new Map(), omissions, rules: new Map() };
  const leftOut = new Set(options.earlier?.omissions.folders);
  if (leftOut.has("")) omissions.folders.push("");
  if (leftOut.has("")) return scan;
  const walk: Walk = {
    root,
    options,
    scan,
    pending: [{ path: "", names: [], folder: root.folder, rules: [] }],
    leftOut,
    entries: 0,
    bytes: 0,
    held: 0,
    pauseAt: performance.now() + SLICE_MS,
    endAt: performance.now() + options.bounds.timeMs,
  };
  try {
    for (let at = 0; at < walk.pending.length; at += 1) await scanFolder(walk, walk.pending[at] as Pending);
  } finally {
    for (const { folder } of walk.pending) if (folder !== root.folder) folder?.close();
  }
  return scan;
}

async function scanFolder(walk: Walk, item: Pending): Promise<void> {
  const folder = item.folder ?? reopen(walk, item.path);
  if (folder === undefined) return;
  try {
    const room = roomOf(walk);
    const names = room > 0 && item.names.length <= MAX_DEPTH ? namesIn(folder, room) : undefined;
    if (names === undefined) {
      walk.scan.omissions.folders.push(item.path);
      return;
    }
    await scanNames(walk, { ...item, folder, rules: rulesOf(walk, item, names) }, names);
  } catch (error) {
    if (item.path === "" || errnoOf(error) === undefined) throw error;
    walk.scan.omissions.folders.push(item.path);
  } finally {
    if (folder !== walk.root.folder) folder.close();
    if (item.folder !== undefined && folder !== walk.root.folder) walk.held -= 1;
    item.folder = undefined;
  }
}

function roomOf({ entries, options, endAt }: Walk): number {
  if (performance.now() >= endAt) return 0;
  return options.bounds.entries * (options.earlier === undefined ? 1 : GROWTH) - entries;
}

function reopen(walk: Walk, path: string): Folder | undefined {
  const place = openParent(walk.root.folder, path);
  if (place === undefined) return undefined;
  try {
    return place.folder.open(place.name);
  } catch {
    return undefined;
  } finally {
    if (place.folder !== walk.root.folder) place.folder.close();
  }
}

function rulesOf(walk: Walk, { path, names: above, rules }: Pending, names: readonly string[]) {
  const own = walk.options.earlier?.rules.get(path) ?? readRules(walk, { path, above, rules }, names);
  walk.scan.rules.set(path, own);
  return own;
}

function readRules(
  walk: Walk,
  { path, above, rules }: { path: string; above: readonly string[]; rules: readonly FolderRules[] },
  names: readonly string[],
): readonly FolderRules[] {
  if (!names.includes(IGNORE_FILE)) return rules;
  const own = parseIgnoreRules(readIgnoreFile(walk.root, path === "" ? "." : path));
  return own.length === 0 ? rules : [{ rules: own, depth: above.length }, ...rules];
}

async function scanNames(walk: Walk, item: Pending & { folder: Folder }, names: readonly string[]) {
  for (const name of names) {
    if (performance.now() > walk.pauseAt) await pause(walk);
    const path = item.path === "" ? name : `${item.path}/${name}`;
    const folded = foldName(name);
    if (folded === STATE_FOLDER) continue;
    if (UNSEARCHED_FOLDERS.includes(folded)) noteIgnored(walk, path);
    else if (!takeUnchanged(walk, item, name, path)) await scanName(walk, item, name, path);
  }
}

/**
 * A file with the stamp that is known, inode and all, is taken as it is. It is looked at by its path, which costs a third of the way through
 * the held folder: a link on the way could only lead to the same inode, and anything else is looked at again.
 */
function takeUnchanged(walk: Walk, { names, rules }: Pending, name: string, path: string): boolean {
  const { options, root } = walk;
  const known = options.known.get(path);
  if (known === undefined || known.young || !isRecorded(known.state)) return false;
  if (options.keep?.has(known.state.hash) === false) return false;
  const stats = statsByPath(encodeName(`${root.spellings[0]}/${path}`));
  if (!stats?.isFile() || toStamp(stats) !== known.stamp) return false;
  if (rules.length > 0 && isIgnored(rules, [...names, name], false)) noteIgnored(walk, path);
  else takeIn(walk, path, known);
  return true;
}

function statsByPath(path: string | Buffer): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function takeIn(walk: Walk, path: string, seen: Seen): void {
  walk.entries += 1;
  walk.scan.seen.set(path, seen);
  if (isUnrecorded(seen.state)) walk.scan.omissions.files.push(path);
  else if (seen.state.kind === "file") walk.bytes += seen.state.size;
}

function noteIgnored({ scan }: Walk, path: string): void {
  if (scan.omissions.ignored.length < MAX_IGNORED) scan.omissions.ignored.push(path);
}

async function pause(walk: Walk): Promise<void> {
  await nextTick();
  walk.options.signal?.throwIfAborted();
  walk.pauseAt = performance.now() + SLICE_MS;
}

async function scanName(walk: Walk, item: Pending & { folder: Folder }, name: string, path: string) {
  const { options } = walk;
  const stats = lookUp(item.folder, name);
  if (stats === undefined) return;
  const isFolder = stats.isDirectory();
  const names = [...item.names, name];
  if (item.rules.length > 0 && isIgnored(item.rules, names, isFolder)) {
    noteIgnored(walk, path);
    return;
  }
  const { bounds, known, keep, earlier } = options;
  const fits = walk.bytes + Number(stats.size) <= bounds.totalBytes;
  const maxBytes = fits ? bounds.fileBytes : 0;
  const compare = earlier !== undefined;
  const seen = await look(item.folder, name, stats, {
    path,
    known,
    maxBytes,
    compare,
    ...(keep && { keep }),
  });
  if (seen === undefined) return;
  takeIn(walk, path, seen);
  if (isFolder) queue(walk, item, { name, names, path });
}

function queue(
  walk: Walk,
  { folder, rules }: Pending & { folder: Folder },
  { name, names, path }: { name: string; names: readonly string[]; path: string },
): void {
  if (walk.leftOut.has(path)) {
    walk.scan.omissions.folders.push(path);
    return;
  }
  let opened: Folder | undefined;
  if (walk.held < MAX_HELD) {
    try {
      opened = folder.open(name);
      walk.held += 1;
    } catch {
      // Replaced meanwhile: the later look at it decides.
    }
  }
  walk.pending.push({ path, names, folder: opened, rules });
}

/** The nearest `.gitignore` that says anything decides; see gitignore(5). */
function isIgnored(rules: readonly FolderRules[], names: readonly string[], isFolder: boolean): boolean {
  for (const each of rules) {
    const said = isIgnoredBy(each.rules, names.slice(each.depth), isFolder);
    if (said !== undefined) return said;
  }
  return false;
}
