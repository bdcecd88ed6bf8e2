/** The folder that a task plays in: made as the task says, and looked at before and after each request. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { devNull } from "node:os";
import { dirname, join } from "node:path";
import { STATE_FOLDER } from "../../src/core/workspace.ts";
import type { Changes, Task } from "./task.ts";

/** What lies in a folder, by paths relative to it. */
export interface FolderState {
  files: ReadonlyMap<string, string>;
  /** Without a slash at the end. */
  folders: ReadonlySet<string>;
}

/** Of git and of the agent itself: no part of the state. */
const LEFT_OUT: readonly string[] = [".git", STATE_FOLDER];

export function makeFolder(root: string, { files, git, changes }: Task): void {
  mkdirSync(root, { recursive: true });
  change(root, files);
  if (git) {
    runGit(root, "init", "--quiet", "--initial-branch=main");
    runGit(root, "add", "--all");
    runGit(root, "commit", "--quiet", "--allow-empty", "--message=start");
  }
  change(root, changes);
}

function change(root: string, changes: Changes): void {
  for (const [path, content] of Object.entries(changes)) {
    const full = join(root, path);
    if (content === null) rmSync(full, { recursive: true, force: true });
    else if (path.endsWith("/")) mkdirSync(full, { recursive: true });
    else {
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, content);
    }
  }
}

export function readFolder(root: string): FolderState {
  const files = new Map<string, string>();
  const folders = new Set<string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (folder === "" && LEFT_OUT.includes(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        folders.add(path);
        visit(path);
      } else if (entry.isSymbolicLink()) files.set(path, `-> ${readlinkSync(join(root, path))}`);
      else if (entry.isFile()) files.set(path, readFileSync(join(root, path), "utf8"));
      else files.set(path, "(no plain file)");
    }
  };
  visit("");
  return { files, folders };
}

/** `undefined` where there is no repository. */
export function newestCommit(root: string): string | undefined {
  try {
    return runGit(root, "log", "-1", "--format=%B").trim();
  } catch {
    return undefined;
  }
}

/** What is in the index unlike in the newest commit; before the first one, all of it. `undefined` where there is no repository. */
export function stagedPaths(root: string): string[] | undefined {
  return listPaths(root, "diff", "--cached");
}

/** What the newest commit has touched; `undefined` where there is none. */
export function committedPaths(root: string): string[] | undefined {
  return listPaths(root, "show", "--format=", "HEAD");
}

function listPaths(root: string, ...args: string[]): string[] | undefined {
  try {
    // Of a renamed file both names: git would leave the old one out.
    const paths = runGit(root, ...args, "--name-only", "--no-renames", "-z");
    return paths.split("\0").filter((path) => path !== "");
  } catch {
    return undefined;
  }
}

/** Settings of the user, such as signing each commit, are no part of a task. */
function runGit(root: string, ...args: string[]): string {
  const who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
  return execFileSync("git", ["-C", root, ...who, ...args], {
    encoding: "utf8",
    env: { ...process.env, GIT_CONFIG_GLOBAL: devNull, GIT_CONFIG_NOSYSTEM: "1" },
    stdio: ["ignore", "pipe", "ignore"],
  });
}
