/**
 * The contract of the folder the agent works in. File tools reach the disk only through it: no path, link or race leads out.
 * Paths come in as the model writes them: relative to the root, absolute below the root, or `/workspace/…` as commands in the
 * sandbox see it. Paths that come back are relative, with `/`; the root itself is `.`.
 *
 * Every method may throw `AgentError` `path_refused` (outside, protected, no regular file, or the root was moved) or `file_failed`
 * (missing, no space, no permission, quota), whose messages are meant for the model, and `workspace_invalid` once it was disposed.
 * Implementation in `src/workspace`.
 */
import type { OutputLog } from "./output-log.ts";
import type { CallPreview } from "./tool.ts";

/** Our own state in the workspace: sessions, saved outputs, settings. Tools may read below it and never write. */
export const STATE_FOLDER = ".lmagent";
/** Custom tools of a workspace, below its root. */
export const TOOLS_FOLDER = `${STATE_FOLDER}/tools`;

export interface WorkspaceEntry {
  /** Relative to the root. */
  path: string;
  /** `link`: a symbolic link, as found in a listing; never for `stat`, which resolves links below the root. */
  kind: "file" | "folder" | "link" | "other";
  sizeBytes: number;
  modifiedMs: number;
}

export type TextEncoding = "utf-8" | "utf-16le" | "utf-16be" | "latin1";

export interface ReadTextOptions {
  /** First line wanted, counted from 1; default 1. */
  firstLine?: number;
  /** Most lines wanted; default all. */
  lines?: number;
  /** Most bytes of text; cut at the end of a line where one fits. */
  maxBytes: number;
  signal?: AbortSignal;
}

export interface TextRead {
  path: string;
  /** Whole lines with `\n`, without byte order mark. */
  text: string;
  encoding: TextEncoding;
  firstLine: number;
  /** Number of the last line in `text`; `firstLine - 1` when there is none. */
  lastLine: number;
  /** Absent when the file is too long to count. */
  totalLines?: number;
  sizeBytes: number;
  /** The end of the file was not reached. */
  truncated: boolean;
  /** The last line in `text` is itself cut. */
  lineCut: boolean;
}

export interface WriteOutcome {
  path: string;
  created: boolean;
  bytes: number;
  lines: number;
}

export interface TextChange {
  old: string;
  new: string;
  /** Replace every place where `old` stands, not only a single one. */
  all?: boolean;
}

export type EditOutcome =
  | {
      ok: true;
      path: string;
      replacements: number;
      /** What had to be overlooked to find `old`, in words for the model; absent after an exact match. */
      note?: string;
      /** Short unified diff without file headers. */
      diff: string;
    }
  /** The file is unchanged; `error` shows the nearest lines or all matches with their numbers. */
  | {
      ok: false;
      path: string;
      reason: "not_found" | "ambiguous" | "already_applied" | "invalid";
      error: string;
    };

export interface FindFilesOptions {
  /** Folder to look in; default the root. */
  path?: string;
  limit: number;
  signal?: AbortSignal;
}

export interface FoundFiles {
  /** Sorted by name. */
  paths: readonly string[];
  /** There are more than `limit`, or the search was stopped by its own limits. */
  truncated: boolean;
}

export interface SearchTextOptions {
  /** File or folder; default the root. */
  path?: string;
  /** Only files whose path matches, such as `*.ts` or `src/**`. */
  glob?: string;
  ignoreCase?: boolean;
  /** Lines shown before and after each match. */
  contextLines?: number;
  /** Most bytes of `text`. */
  maxBytes: number;
  signal?: AbortSignal;
}

export interface TextSearch {
  /** `path:line:text` for matches, `path-line-text` for context, `--` between groups; empty for none. */
  text: string;
  files: number;
  matches: number;
  truncated: boolean;
  /** The pattern is no regular expression and was searched for as it stands; why, in words. */
  literal?: string;
}

export interface Workspace {
  /** Absolute path on the host, links resolved. */
  readonly root: string;
  /** Where long output of calls is kept; readable with `readText`, not writable by tools. */
  readonly outputs: OutputLog;
  /** The path as this contract gives paths back. Looks at the words only; throws `path_refused`. */
  toRelative(path: string): string;
  /** `undefined` when nothing is there. */
  stat(path: string): Promise<WorkspaceEntry | undefined>;
  /** Folders first, then by name, without `.lmagent`; at most `limit`. */
  list(
    path: string,
    options: { limit: number },
  ): Promise<{ entries: readonly WorkspaceEntry[]; truncated: boolean }>;
  /** Throws `file_failed` for a binary file, naming what it is. */
  readText(path: string, options: ReadTextOptions): Promise<TextRead>;
  /** Makes missing folders; replaces whole files at once or not at all. An existing file keeps its encoding, line ends and mode. */
  writeText(path: string, text: string): Promise<WriteOutcome>;
  editText(path: string, change: TextChange): Promise<EditOutcome>;
  /** Also makes missing parents. */
  makeFolder(path: string): Promise<{ path: string; created: boolean }>;
  /** Files that `.gitignore` does not exclude, without `.git`, `node_modules` and `.lmagent`; links are not followed. */
  findFiles(pattern: string, options: FindFilesOptions): Promise<FoundFiles>;
  /** Searches the files that `findFiles` would find, or the one file named. */
  searchText(pattern: string, options: SearchTextOptions): Promise<TextSearch>;
  /** What `writeText` would do: the whole diff, and concerns about protected files. */
  previewWrite(path: string, text: string): Promise<CallPreview>;
  previewEdit(path: string, change: TextChange): Promise<CallPreview>;
  previewMakeFolder(path: string): Promise<CallPreview>;
  /** Makes `.lmagent/<name>` for our own state (0700, ignored by git) and returns its path on the host. Refuses planted links. */
  stateFolder(name: string): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}
