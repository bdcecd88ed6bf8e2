/**
 * Searching in two steps. Ripgrep first names the files that match, walking by path; their text is then searched through
 * descriptors that our own walk opened, so that a link swapped in meanwhile never brings outside text into the result.
 */
import { closeSync } from "node:fs";
import { posix } from "node:path";
import type { SearchTextOptions, TextSearch } from "../core/workspace.ts";
import { fileFailed } from "./failures.ts";
import { FILE_RULES, pathForChild, type SearchFolder } from "./find-files.ts";
import { openRegular, shownName } from "./folder.ts";
import { compileGlob } from "./glob.ts";
import { createIgnoreFilter, readIgnoreFile } from "./ignore-filter.ts";
import { toFolderRules } from "./ignore-rules.ts";
import { createReport, type Report } from "./search-report.ts";
import { type RipgrepEnd, type RipgrepOptions, runRipgrep } from "./ripgrep.ts";
import { type WalkRoot, walkTo } from "./walk.ts";

const SEARCH_DEADLINE_MS = 20_000;
const MAX_FILES = 20_000;
/** Descriptors open at a time. */
const BATCH_FILES = 100;
const MAX_COLUMNS = 300;
const MAX_CONTEXT_LINES = 10;
/** Each thread holds the longest line of its file, which may be the whole file. */
const BOUNDED_MEMORY = ["--threads=4", "--max-filesize=64M"];
/** Mapped files cost no memory of their own, however long their lines. One that is cut meanwhile ends the search early. */
const OPENED_FILES = ["--threads=1", "--mmap"];

interface Query {
  pattern: string;
  flags: readonly string[];
  signal?: AbortSignal | undefined;
  endsAt: number;
}

/** Where to search: a folder, or files named relative to the root. */
export type SearchScope = { folder: SearchFolder } | { files: readonly string[] };

export async function searchTextIn(
  root: WalkRoot,
  scope: SearchScope,
  pattern: string,
  options: SearchTextOptions,
): Promise<TextSearch> {
  if (pattern === "" || pattern.includes("\0"))
    throw fileFailed(pattern, "`pattern` is empty or has a NUL character; give the text to look for");
  const flags = options.ignoreCase ? ["--ignore-case"] : [];
  const query: Query = { pattern, flags, signal: options.signal, endsAt: Date.now() + SEARCH_DEADLINE_MS };
  const fault = await findPatternFault(root, query);
  if (fault === undefined) return searchFiles(root, scope, query, options);
  const literal = { ...query, flags: [...flags, "--fixed-strings"] };
  return { ...(await searchFiles(root, scope, literal, options)), literal: fault };
}

/** What ripgrep says about a pattern that is no regular expression. */
async function findPatternFault(
  root: WalkRoot,
  { pattern, flags, signal }: Query,
): Promise<string | undefined> {
  if (!/[\\[\](){}*+?|^$]/.test(pattern)) return undefined;
  const args = [...flags, "--files-with-matches", "--regexp", pattern, "/dev/null"];
  const end = await runRipgrep(args, {
    cwd: pathForChild(root.folder),
    deadlineMs: 5_000,
    signal,
    onLine: () => true,
  });
  if (end.code !== 2) return undefined;
  return /error: (.+)/.exec(end.errors.split("\n").reverse().join("\n"))?.[1] ?? "it cannot be used as one";
}

async function searchFiles(
  root: WalkRoot,
  scope: SearchScope,
  query: Query,
  options: SearchTextOptions,
): Promise<TextSearch> {
  const named =
    "files" in scope
      ? { paths: scope.files, stopped: false }
      : await nameFiles(root, scope.folder, query, options);
  const report = createReport(options.maxBytes);
  const context = Math.min(MAX_CONTEXT_LINES, Math.max(0, Math.trunc(options.contextLines ?? 0)));
  for (let at = 0; at < named.paths.length && !report.isFull(); at += BATCH_FILES) {
    if (at > 0 && context > 0) report.separate();
    await searchBatch(root, named.paths.slice(at, at + BATCH_FILES), { query, context, report });
  }
  return report.result(named.stopped);
}

async function nameFiles(
  root: WalkRoot,
  { folder, relative }: SearchFolder,
  query: Query,
  { glob }: SearchTextOptions,
) {
  const matches = glob === undefined ? undefined : compileGlob(glob, root.spellings);
  const isIgnored = createIgnoreFilter(root, relative);
  const paths: string[] = [];
  const args = [
    ...query.flags,
    ...FILE_RULES,
    ...BOUNDED_MEMORY,
    "--null",
    "--files-with-matches",
    "--regexp",
    query.pattern,
    "./",
  ];
  const end = await run(args, query, {
    cwd: pathForChild(folder),
    ignoreRules: toFolderRules(readIgnoreFile(root, relative)),
    lineEnd: "\0",
    onLine: (line) => {
      const name = shownName(line.replace(/^\.\//, ""));
      const path = posix.join(relative, name);
      if ((!matches || matches(name) || matches(path)) && !isIgnored(name)) paths.push(path);
      return paths.length < MAX_FILES;
    },
  });
  return { paths: paths.sort(), stopped: end.stopped };
}

async function searchBatch(
  root: WalkRoot,
  paths: readonly string[],
  { query, context, report }: { query: Query; context: number; report: Report },
): Promise<void> {
  const opened = paths.flatMap((path) => openConfined(root, path));
  try {
    if (opened.length === 0) return;
    const isLinux = root.folder.path.startsWith("/proc/");
    const names = new Map(
      opened.map(({ path }, at) => [
        isLinux ? `/proc/self/fd/${at + 3}` : posix.join(root.folder.path, path),
        path,
      ]),
    );
    const columns = ["--max-columns", `${MAX_COLUMNS}`, "--max-columns-preview"];
    const args = [
      ...query.flags,
      ...OPENED_FILES,
      "--no-heading",
      "--with-filename",
      "--line-number",
      "--null",
      "--no-messages",
      ...columns,
    ];
    if (context > 0) args.push("--context", `${context}`);
    const descriptors = isLinux ? opened.map(({ fd }) => fd) : [];
    const end = await run([...args, "--regexp", query.pattern, "--", ...names.keys()], query, {
      cwd: pathForChild(root.folder),
      descriptors,
      onLine: (line) => report.add(line, names),
    });
    if (end.stopped) report.stop();
    if (end.code === 2)
      throw fileFailed(
        query.pattern,
        `cannot search for \`${query.pattern}\`: ${end.errors.trim().split("\n").at(-1) ?? "the pattern cannot be used"}`,
      );
  } finally {
    for (const { fd } of opened) closeSync(fd);
  }
}

function run(
  args: readonly string[],
  { endsAt, signal }: Query,
  options: Omit<RipgrepOptions, "deadlineMs" | "signal">,
): Promise<RipgrepEnd> {
  return runRipgrep(args, { ...options, signal, deadlineMs: Math.max(1, endsAt - Date.now()) });
}

/** Nothing when the file is not, or no longer, one inside. */
function openConfined(root: WalkRoot, path: string): { path: string; fd: number }[] {
  try {
    const place = walkTo(root, path, { shown: path });
    if (!place) return [];
    try {
      return [{ path, fd: openRegular(place.folder, place.name, path) }];
    } finally {
      place.release();
    }
  } catch {
    return [];
  }
}
