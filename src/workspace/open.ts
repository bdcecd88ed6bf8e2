import { lstatSync, realpathSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { AgentError, errnoOf } from "../core/errors.ts";
import type { Workspace } from "../core/workspace.ts";
import { ConfinedWorkspace } from "./confined-workspace.ts";
import { holdFolder } from "./folder.ts";
import { createQuota, WRITE_LIMITS, type WriteLimits } from "./quota.ts";

export interface OpenWorkspaceOptions {
  /** The user's home folder; it and its parents are too wide to work in. */
  home: string;
  /** Where our own settings and keys are; a workspace may not hold it or lie in it. */
  stateDir: string;
  limits?: Partial<WriteLimits>;
}

/**
 * Opens a folder to work in and holds it until disposed. Throws `AgentError` `workspace_invalid` when it is missing, no
 * folder, or too wide.
 */
export async function openWorkspace(
  root: string,
  { home, stateDir, limits }: OpenWorkspaceOptions,
): Promise<Workspace> {
  const asked = resolve(root);
  const path = realPath(asked);
  if (path === undefined) throw invalid(root, "does not exist; make the folder first, or name another");
  if (!lstatSync(path).isDirectory()) throw invalid(root, "is not a folder; name the folder to work in");
  refuseWide(root, path, {
    home: realPath(home) ?? resolve(home),
    stateDir: realPath(stateDir) ?? resolve(stateDir),
  });
  const folder = hold(root, path);
  const spellings = [...new Set([path, asked])].map((spelling) => spelling.split(sep).join("/"));
  return new ConfinedWorkspace({ path, folder, spellings }, createQuota({ ...WRITE_LIMITS, ...limits }));
}

function refuseWide(
  root: string,
  path: string,
  { home, stateDir }: { home: string; stateDir: string },
): void {
  if (resolve(path, "..") === path) throw invalid(root, "is the whole file system; name a project folder");
  if (path === home) throw invalid(root, "is your home folder; name a project folder in it");
  if (isWithin(home, path)) throw invalid(root, "holds your home folder; name a project folder");
  if (isWithin(stateDir, path))
    throw invalid(root, `holds the agent's own settings (\`${stateDir}\`); name a project folder`);
  if (isWithin(path, stateDir))
    throw invalid(root, `lies in the agent's own settings (\`${stateDir}\`); name a project folder`);
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw invalid(path, `cannot be opened (${errnoOf(error) ?? String(error)})`, error);
  }
}

function hold(root: string, path: string) {
  try {
    return holdFolder(path);
  } catch (error) {
    throw invalid(root, `cannot be opened (${errnoOf(error) ?? String(error)})`, error);
  }
}

function invalid(path: string, why: string, cause?: unknown): AgentError {
  return new AgentError("workspace_invalid", `The workspace \`${path}\` ${why}.`, { cause, data: { path } });
}
