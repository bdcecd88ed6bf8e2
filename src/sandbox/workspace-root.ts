import { lstatSync, realpathSync, statSync, type Stats } from "node:fs";
import { isAbsolute, join } from "node:path";
import { AgentError } from "../core/errors.ts";
import { isInside } from "./trusted-binary.ts";

/** Whose files the workspace holds, and so as whom commands run. */
export interface RunAs {
  uid: number;
  gid: number;
  /** Arguments for `spawn` that change to this user; empty unless we are root. */
  spawn: { uid?: number; gid?: number };
}

/** The folder that commands work in, checked again before each of them: it may have been moved or replaced. */
export interface WorkspaceRoot {
  readonly path: string;
  /** Throws `workspace_invalid` when the folder is no longer the one that was opened. */
  check(): RunAs;
}

/** Throws `AgentError` `workspace_invalid` when `path` is no folder. */
export function openWorkspaceRoot(path: string): WorkspaceRoot {
  const opened = readFolder(path);
  const real = realpathSync(path);
  return {
    path: real,
    check() {
      const now = readFolder(real);
      if (now.dev !== opened.dev || now.ino !== opened.ino) {
        throw new AgentError(
          "workspace_invalid",
          `The workspace \`${real}\` was replaced by another folder; start again.`,
          {
            data: { path: real },
          },
        );
      }
      return toRunAs(now);
    },
  };
}

function readFolder(path: string): Stats {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isDirectory()) {
    throw new AgentError(
      "workspace_invalid",
      `The workspace \`${path}\` is not a folder; choose one that exists.`,
      {
        data: { path },
      },
    );
  }
  return found;
}

/** Root steps down to the owner of the workspace, so that files made by commands and by tools belong to the same user. */
function toRunAs(workspace: Stats): RunAs {
  const own = process.getuid?.() ?? 0;
  if (own !== 0) return { uid: own, gid: process.getgid?.() ?? 0, spawn: {} };
  const { uid, gid } = workspace;
  return { uid, gid, spawn: { uid, gid } };
}

/**
 * The folder a command starts in, relative to the root; `.` for the root itself.
 * Throws `AgentError` `path_refused` when it is outside, `file_failed` when it is not there.
 */
export function toWorkingFolder(root: string, cwd = "."): string {
  const refused = (why: string): AgentError =>
    new AgentError(
      "path_refused",
      `Commands cannot run in \`${cwd}\`: ${why}. Give a folder inside the workspace.`,
      {
        data: { path: cwd },
      },
    );
  if (isAbsolute(cwd) || cwd.includes("\0")) throw refused("it is not relative to the workspace");
  const path = join(root, cwd);
  if (!isInside(root, path)) throw refused("it is outside the workspace");
  const real = realFolder(path);
  if (real === undefined) {
    throw new AgentError("file_failed", `There is no folder \`${cwd}\` in the workspace.`, {
      data: { path: cwd },
    });
  }
  if (!isInside(root, real)) throw refused("it leads out of the workspace");
  return real === root ? "." : real.slice(root.length + 1);
}

function realFolder(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    return lstatSync(real).isDirectory() ? real : undefined;
  } catch {
    return undefined;
  }
}
