/** How much of a workspace is recorded before a command. */
export interface CheckpointBounds {
  /** Most files and folders; a folder that does not fit is left out whole, folders further up come first. */
  entries: number;
  /** Most bytes of one file. */
  fileBytes: number;
  /** Most bytes of all files. */
  totalBytes: number;
  /** Most time of one look at the workspace; what was not reached then is left out. */
  timeMs: number;
}

export const CHECKPOINT_BOUNDS: CheckpointBounds = {
  entries: 20_000,
  fileBytes: 10 * 1024 * 1024,
  totalBytes: 256 * 1024 * 1024,
  timeMs: 30_000,
};

/** Of a file that a tool names; none of the tools writes a larger one. */
export const NAMED_FILE_BYTES = 32 * 1024 * 1024;

/** What a scan left out. */
export interface Omissions {
  /** Folders that did not fit, were not reached in time, or could not be listed. */
  folders: string[];
  /** Files whose bytes are not kept: too large, beyond the total, or unreadable. */
  files: string[];
  /** Folders and files that are no part of the project, by our rules or those of `.gitignore`. */
  ignored: string[];
}

const SHOWN = 3;

/** What cannot be undone, in words; `undefined` when that is nothing. */
export function sayOmissions({ folders, files }: Omissions, bounds: CheckpointBounds): string | undefined {
  if (folders.length === 0 && files.length === 0) return undefined;
  const parts = [
    folders.length > 0
      ? `folders beyond ${bounds.entries} entries or ${bounds.timeMs / 1_000} s, or unreadable (${some(folders)})`
      : "",
    files.length > 0
      ? `files over ${megabytes(bounds.fileBytes)}, beyond ${megabytes(bounds.totalBytes)} in all, or unreadable (${some(files)})`
      : "",
  ];
  return `Commands cannot be undone in: ${parts.filter((part) => part !== "").join("; ")}.`;
}

/** What no scan looks at, in words. */
export function sayIgnored(ignored: readonly string[]): string | undefined {
  if (ignored.length === 0) return undefined;
  return `What commands did in .git, node_modules and what .gitignore names is not undone (${some(ignored)}).`;
}

export function some(paths: readonly string[]): string {
  const shown = paths
    .slice(0, SHOWN)
    .map((path) => shownPath(path) || ".")
    .join(", ");
  return paths.length > SHOWN ? `${shown} and ${paths.length - SHOWN} more` : shown;
}

function megabytes(bytes: number): string {
  return `${Math.round((bytes / 1024 / 1024) * 10) / 10} MB`;
}

/** A path for people: what cannot be shown becomes U+FFFD. */
export function shownPath(path: string): string {
  return path.replaceAll(/\p{Cc}|\p{Surrogate}/gu, "\uFFFD");
}
