/** Undoes checkpoints, and tells what they have changed. */
import type { FileChange, UndoOutcome } from "../../core/checkpoint.ts";
import type { Archive } from "./archive.ts";
import { NAMED_FILE_BYTES, shownPath } from "./bounds.ts";
import { diffOf } from "./change-diff.ts";
import { isSame, isUnrecorded, type PathState } from "./file-state.ts";
import type { Seen } from "./look.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { refusal } from "./named-paths.ts";
import { type NetChange, toNetChanges } from "./net.ts";
import type { RequestRecorder } from "./recorder.ts";
import { type Restoration, restorePaths } from "./restore.ts";
import { scanWorkspace } from "./scan.ts";

interface Found {
  change: NetChange;
  seen: Seen | null;
  /** What is there is what the agent left. */
  isOurs: boolean;
}

interface Findings {
  found: Found[];
  /** What commands did and was not looked at, in words. */
  unrecorded: string[];
}

async function find(archive: Archive, ids: readonly string[], signal?: AbortSignal): Promise<Findings> {
  archive.load();
  const manifests = ids.map((id) => readManifest(archive.existing(), id));
  const net = await toNetChanges(manifests, {
    readObject: (hash) => archive.packs.read(hash),
    now: (path) => archive.stateNow(path, archive.bounds.fileBytes),
    allNow: async () => {
      const { root, bounds, known } = archive;
      return (await scanWorkspace(root, { known, bounds, ...(signal && { signal }) })).seen.keys();
    },
  });
  const found: Found[] = [];
  for (const change of net.values()) {
    signal?.throwIfAborted();
    const seen = await archive.seenNow(change.path, NAMED_FILE_BYTES);
    found.push({ change, seen, isOurs: !change.disputed && isAt(seen, change.after) });
  }
  return { found, unrecorded: unrecordedIn(manifests) };
}

function unrecordedIn(manifests: readonly Manifest[]): string[] {
  const said = manifests.flatMap(({ starts }) =>
    starts.flatMap((start) => ("tree" in start ? (start.left ?? []) : [])),
  );
  return [...new Set(said)];
}

/** A file whose bytes were not kept is the same as long as nobody has touched it. */
function isAt(seen: Seen | null, state: PathState): boolean {
  if (isUnrecorded(state)) return seen?.state.kind === "file" && seen.stamp === state.stamp;
  return isSame(seen?.state ?? null, state);
}

export async function diffCheckpoints(
  archive: Archive,
  ids: readonly string[],
  signal?: AbortSignal,
): Promise<FileChange[]> {
  const { found } = await find(archive, ids, signal);
  const changes: FileChange[] = [];
  for (const { change, isOurs } of found.toSorted(byPath)) {
    const { path, before, after } = change;
    if (isFolderOf(change, found)) continue;
    const diff = await diffOf(archive, change);
    changes.push({
      path: shownPath(isFolder(before) || isFolder(after) ? `${path}/` : path),
      kind: before === null ? "created" : after === null ? "deleted" : "changed",
      ...(diff === undefined ? {} : { diff }),
      changedSince: !isOurs,
    });
  }
  return changes;
}

function byPath(one: Found, other: Found): number {
  return one.change.path < other.change.path ? -1 : 1;
}

/** A folder that came or went with what is in it: its files say so. */
function isFolderOf({ path, before, after }: NetChange, found: readonly Found[]): boolean {
  if ((before !== null && after !== null) || (!isFolder(before) && !isFolder(after))) return false;
  return found.some(({ change }) => change.path.startsWith(`${path}/`));
}

function isFolder(state: PathState): boolean {
  return state?.kind === "folder";
}

export interface UndoOptions {
  conflicts: "stop" | "skip" | "force";
  /** Keeps what is overwritten. */
  recorder: RequestRecorder;
  signal?: AbortSignal | undefined;
}

export async function undoCheckpoints(
  archive: Archive,
  ids: readonly string[],
  { conflicts: way, recorder, signal }: UndoOptions,
): Promise<UndoOutcome> {
  const { found, unrecorded } = await find(archive, ids, signal);
  const open = found.filter(({ change, seen }) => !isAt(seen, change.before));
  const disputed = open.filter(({ isOurs, change, seen }) => !isOurs && !isKeptFolder(change, seen));
  const conflicts = disputed.map(({ change }) => shownPath(change.path)).sort();
  const base = { restored: [], conflicts, failed: [], ...(unrecorded.length > 0 && { unrecorded }) };
  if (way === "stop" && conflicts.length > 0) return base;
  const wanted = way === "force" ? open : open.filter((each) => !disputed.includes(each));
  const { items, failed } = await keepOld(wanted, recorder);
  const done = await restorePaths(archive.root.folder, items.list, {
    readObject: (hash) => archive.packs.read(hash),
    signal,
  });
  if (items.kept !== undefined) await recorder.afterPaths(items.kept);
  return {
    ...base,
    restored: done.restored.map(shownPath).sort(),
    conflicts: way === "force" ? [] : conflicts,
    failed: [...failed, ...done.failed].map(({ path, why }) => ({ path: shownPath(path), why })),
    ...(items.kept === undefined ? {} : { kept: recorder.id }),
  };
}

/** A folder of ours in which only the mode was changed, or the user's own files lie, is no reason to stop. */
function isKeptFolder({ before, after }: NetChange, seen: Seen | null): boolean {
  return seen?.state.kind === "folder" && isFolder(after) && before === null;
}

type Kept = Awaited<ReturnType<RequestRecorder["beforePaths"]>>;

/** Records what is about to be overwritten, as a checkpoint of its own. What cannot be kept is not overwritten. */
async function keepOld(
  wanted: readonly Found[],
  recorder: RequestRecorder,
): Promise<{ items: { list: Restoration[]; kept?: Kept }; failed: { path: string; why: string }[] }> {
  const failed: { path: string; why: string }[] = [];
  const list: Restoration[] = [];
  for (const { change, seen } of wanted) {
    const why = refusal(change.path) ?? (isUnrecorded(seen?.state ?? null) ? TOO_LARGE : undefined);
    if (why === undefined) list.push({ path: change.path, target: change.before, seen });
    else failed.push({ path: change.path, why });
  }
  if (list.length === 0) return { items: { list }, failed };
  const kept = await recorder.beforePaths(list.map(({ path }) => path));
  return { items: { list, kept }, failed };
}

const TOO_LARGE =
  "what is there now cannot be kept, being too large or unreadable; remove or replace it yourself";
