import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError, type ErrorCode, type Workspace } from "../../src/core/index.ts";
import { openWorkspace, type OpenWorkspaceOptions } from "../../src/workspace/index.ts";

export interface TemporaryWorkspace {
  /** The root of the workspace, `<base>/app`. */
  root: string;
  /** A folder beside it that holds `secret`. */
  outside: string;
  base: string;
  workspace: Workspace;
  [Symbol.asyncDispose](): Promise<void>;
}

export const SECRET = "OUTSIDE-SECRET";

/** A workspace with the given files, next to a folder that nothing may reach. */
export async function openTemporary(
  files: Readonly<Record<string, string | Uint8Array>> = {},
  options: Partial<OpenWorkspaceOptions> = {},
): Promise<TemporaryWorkspace> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-workspace-")));
  const root = join(base, "app");
  const outside = join(base, "outside");
  for (const folder of [root, outside]) mkdirSync(folder);
  writeFileSync(join(outside, "secret"), SECRET);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  const workspace = await openWorkspace(root, {
    home: join(base, "home"),
    stateDir: join(base, "state"),
    ...options,
  });
  return {
    root,
    outside,
    base,
    workspace,
    [Symbol.asyncDispose]: async () => {
      await workspace[Symbol.asyncDispose]();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** What an operation failed with: `code: message`; fails when it did not. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (AgentError.is(error)) return `${error.code satisfies ErrorCode}: ${error.message}`;
    throw error;
  }
  throw new Error("expected a failure");
}

/** Every name below a folder, sorted. */
export function namesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true }).map(String).sort();
}

export const read = { maxBytes: 100_000 };
