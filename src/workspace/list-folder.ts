import { type Dir, type Dirent, lstatSync, opendirSync } from "node:fs";
import { posix } from "node:path";
import { STATE_FOLDER, type WorkspaceEntry } from "../core/workspace.ts";
import { systemFailure } from "./failures.ts";
import { type Folder, shownName } from "./folder.ts";

/** A folder with more names than this is shown in part. */
const MAX_NAMES = 20_000;

/** Entries of a held folder but our own state, folders first, then by name; `relative` is the folder's own path. */
export function listFolder(
  folder: Folder,
  relative: string,
  limit: number,
): { entries: WorkspaceEntry[]; truncated: boolean } {
  const { names, isWhole } = readFolder(folder, relative);
  const sorted = names.sort(
    (one, other) =>
      Number(other.isDirectory()) - Number(one.isDirectory()) || (one.name < other.name ? -1 : 1),
  );
  const entries = sorted.slice(0, limit).map((entry) => toEntry(folder, relative, entry));
  return { entries, truncated: !isWhole || sorted.length > limit };
}

function readFolder(folder: Folder, relative: string): { names: Dirent[]; isWhole: boolean } {
  let directory: Dir | undefined;
  try {
    directory = opendirSync(`${folder.path}/.`, { bufferSize: 256 });
    folder.confirm();
    const names: Dirent[] = [];
    let entry = directory.readSync();
    for (; entry !== null && names.length < MAX_NAMES; entry = directory.readSync())
      if (entry.name !== STATE_FOLDER) names.push(entry);
    return { names, isWhole: entry === null };
  } catch (error) {
    throw systemFailure(relative, "list", error);
  } finally {
    directory?.closeSync();
  }
}

function toEntry(folder: Folder, relative: string, entry: Dirent): WorkspaceEntry {
  const stats = lstatSync(`${folder.path}/${entry.name}`, { throwIfNoEntry: false });
  const kind = entry.isDirectory()
    ? "folder"
    : entry.isFile()
      ? "file"
      : entry.isSymbolicLink()
        ? "link"
        : "other";
  return {
    path: posix.join(relative, shownName(entry.name)),
    kind,
    sizeBytes: stats?.size ?? 0,
    modifiedMs: stats?.mtimeMs ?? 0,
  };
}
