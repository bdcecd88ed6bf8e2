/**
 * What a command may leave in a workspace for other programs to obey. What is there when a command starts is pinned by the sandbox; this
 * looks at what it made anew: a repository is disarmed, and files that editors obey are told of.
 */
import { lstatSync, type Stats } from "node:fs";
import type { SandboxResult } from "../core/sandbox.ts";
import { openFolder } from "./folder-handle.ts";
import { disarmRepository, takeAway } from "./git-disarm.ts";
import { OBEYED_FILES } from "./pins.ts";

/** What can be told of one command; more would be noise. */
const MAX_WARNINGS = 8;

export interface WorkspaceGuard {
  /** Looks again, disarms what is new, and says what was found, in words for the user. Call it when the command has ended. */
  finish(): string[];
}

/** Call it before a command starts. `root`: absolute path of the workspace. Any sandbox can wrap its commands with it. */
export function guardWorkspace(root: string): WorkspaceGuard {
  const git = look(`${root}/.git`);
  const commonDir = look(`${root}/.git/commondir`);
  const before = OBEYED_FILES.map((path) => toState(look(`${root}/${path}`)));
  return {
    finish() {
      const warnings = OBEYED_FILES.flatMap((path, index) => {
        const state = toState(look(`${root}/${path}`));
        return state === before[index] || state === "" ? [] : [tellOfFile(path, before[index] === "")];
      });
      warnings.push(...checkRepository(root, { git, commonDir }));
      return warnings.slice(0, MAX_WARNINGS).map(toPlainText);
    },
  };
}

/** The result with these warnings after its own. */
export function withWarnings(result: SandboxResult, warnings: readonly string[]): SandboxResult {
  if (warnings.length === 0) return result;
  return { ...result, warnings: [...(result.warnings ?? []), ...warnings] };
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    // Such as a file where a folder would have to be.
    return undefined;
  }
}

/** Different when a file was written or replaced; empty when it is not there. */
function toState(stats: Stats | undefined): string {
  return stats === undefined ? "" : `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
}

function tellOfFile(path: string, isNew: boolean): string {
  return `The command ${isNew ? "made" : "changed"} \`${path}\`, which editors and shells obey. Look at it before you open the folder.`;
}

interface RepositoryBefore {
  git: Stats | undefined;
  commonDir: Stats | undefined;
}

function checkRepository(root: string, before: RepositoryBefore): string[] {
  const now = look(`${root}/.git`);
  if (now === undefined) return [];
  const isNew = before.git?.ino !== now.ino || before.git.dev !== now.dev;
  if (!now.isDirectory()) {
    if (!isNew) return [];
    return [
      "The command made `.git` as a link or a file, which sends git elsewhere. Look at it before you use git here.",
    ];
  }
  using git = openFolder(`${root}/.git`);
  if (git === undefined) return [];
  if (isNew) return disarmRepository(git);
  // It names another folder for git to take its configuration from.
  if (before.commonDir !== undefined || git.stat("commondir") === undefined) return [];
  return [takeAway(git, "commondir")];
}

/** What could move the cursor, hide text or turn its direction is shown as an escape. */
function toPlainText(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (letter) => {
    return `\\u{${letter.codePointAt(0)!.toString(16)}}`;
  });
}
