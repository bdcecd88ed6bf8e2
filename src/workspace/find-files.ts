import { posix } from "node:path";
import type { FindFilesOptions, FoundFiles } from "../core/workspace.ts";
import { type Folder, shownName } from "./folder.ts";
import { compileGlob } from "./glob.ts";
import { createIgnoreFilter, readIgnoreFile } from "./ignore-filter.ts";
import { toFolderRules } from "./ignore-rules.ts";
import { UNSEARCHED_FOLDERS } from "./protect.ts";
import { runRipgrep } from "./ripgrep.ts";
import { type WalkRoot, walkTo } from "./walk.ts";

const FIND_DEADLINE_MS = 20_000;
const MAX_FOUND = 50_000;

/** Which files a search looks at: hidden ones too. What `.gitignore` says is added by `createIgnoreFilter`. */
export const FILE_RULES: readonly string[] = [
  "--hidden",
  "--no-messages",
  ...UNSEARCHED_FOLDERS.flatMap((name) => ["--glob", `!**/${name}`]),
];

/** A folder that a search starts in, held open; `relative` to the root. */
export interface SearchFolder {
  folder: Folder;
  relative: string;
}

/** The folder's path as another process must spell it. */
export function pathForChild({ path }: Folder): string {
  return path.replace(/^\/proc\/self\//, `/proc/${process.pid}/`);
}

export async function findFilesIn(
  root: WalkRoot,
  { folder, relative }: SearchFolder,
  pattern: string,
  options: FindFilesOptions,
): Promise<FoundFiles> {
  const matches = compileGlob(pattern, root.spellings);
  const isIgnored = createIgnoreFilter(root, relative);
  const names: string[] = [];
  const end = await runRipgrep([...FILE_RULES, "--null", "--files", "./"], {
    cwd: pathForChild(folder),
    deadlineMs: FIND_DEADLINE_MS,
    signal: options.signal,
    ignoreRules: toFolderRules(readIgnoreFile(root, relative)),
    lineEnd: "\0",
    onLine: (line) => {
      const name = shownName(line.replace(/^\.\//, ""));
      if (matches(name) && !isIgnored(name)) names.push(name);
      return names.length < MAX_FOUND;
    },
  });
  const paths: string[] = [];
  const sorted = names.sort();
  let at = 0;
  for (; at < sorted.length && paths.length < options.limit; at += 1) {
    const path = posix.join(relative, sorted[at] as string);
    if (isConfinedFile(root, path)) paths.push(path);
  }
  return { paths, truncated: end.stopped || at < sorted.length };
}

/** Names come from a walk by path, which a race can lead outside; what is not here by our own walk is not passed on. */
function isConfinedFile(root: WalkRoot, path: string): boolean {
  try {
    const place = walkTo(root, path, { shown: path });
    place?.release();
    return place?.stats?.isFile() === true;
  } catch {
    return false;
  }
}
