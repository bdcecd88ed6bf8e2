/**
 * What every sandbox must do. Give it the functions of your test runner and a way to open a sandbox over a folder:
 *
 *     describeSandbox("mine", { backend: "bubblewrap", open: (workspaceRoot) => create({ workspaceRoot }) }, { describe, it });
 *
 * A backend that isolates needs `python3`, `git` and `node` inside; the machine needs `git`.
 */
import type { ChildProcess } from "node:child_process";
import { chmod, chown, mkdtemp, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox, SandboxBackend, SandboxRunOptions } from "../core/sandbox.ts";
import { END_CASES } from "./sandbox-end-cases.ts";
import { FILE_CASES } from "./sandbox-file-cases.ts";
import { GIT_CASES } from "./sandbox-git-cases.ts";
import { ISOLATION_CASES } from "./sandbox-isolation-cases.ts";
import { KERNEL_CASES } from "./sandbox-kernel-cases.ts";
import { LOAD_CASES } from "./sandbox-load-cases.ts";
import { NETWORK_CASES } from "./sandbox-network-cases.ts";
import { runAndCollect, type SandboxOutput } from "./sandbox-output.ts";
import { PROGRAM_CASES } from "./sandbox-program-cases.ts";
import { RUN_CASES } from "./sandbox-run-cases.ts";

/** The two functions that vitest, node:test and jest have in common. */
export interface TestRunner {
  describe: (name: string, body: () => void) => unknown;
  it: (name: string, body: () => Promise<void>) => unknown;
}

export interface SandboxSubject {
  backend: SandboxBackend;
  open: (workspaceRoot: string) => Promise<Sandbox> | Sandbox;
  /** Called on each new workspace before it is opened, for example to give it another owner. */
  prepareWorkspace?: (path: string) => Promise<void>;
  /**
   * Starts a process that opens the sandbox over the folder, writes `ready` to its standard output, runs the shell line in it, and
   * is then killed. Without it what a killed agent leaves behind is not tested.
   */
  startAgent?: (workspaceRoot: string, command: string) => ChildProcess;
  /** Paths of this machine that must not be there inside, such as the socket of its container engine. */
  hidden?: readonly string[];
}

/** A sandbox over a workspace of its own. */
export interface SandboxBox {
  subject: SandboxSubject;
  sandbox: Sandbox;
  /** The workspace on the host. */
  workspace: string;
  /** A folder of the host that everybody may write to; it holds the file `secret` with `secret text`. */
  outside: string;
  run: (command: string | readonly string[], options?: SandboxRunOptions) => Promise<SandboxOutput>;
  /** Makes a file of the workspace from outside, with the workspace's owner as a user's own editor would. */
  put: (path: string, content: string, mode?: number) => Promise<void>;
}

export interface SandboxCase {
  title: string;
  /** Backends that need not pass it, and why. */
  exempt?: Partial<Record<SandboxBackend, string>>;
  check: (box: SandboxBox) => Promise<void>;
}

const NOT_ISOLATED = "it keeps nothing in";

const CASES: readonly SandboxCase[] = [
  ...RUN_CASES,
  ...END_CASES,
  ...LOAD_CASES,
  ...PROGRAM_CASES,
  ...[...ISOLATION_CASES, ...KERNEL_CASES, ...FILE_CASES, ...NETWORK_CASES, ...GIT_CASES].map((each) => ({
    ...each,
    exempt: { process: NOT_ISOLATED, ...each.exempt },
  })),
];

/** The titles of all cases, each with the reason why this backend need not pass it, if there is one. */
export function listSandboxCases(backend: SandboxBackend): { title: string; exempt: string | undefined }[] {
  return CASES.map(({ title, exempt }) => ({ title, exempt: exempt?.[backend] }));
}

export function describeSandbox(name: string, subject: SandboxSubject, { describe, it }: TestRunner): void {
  const cases = CASES.filter(({ exempt }) => exempt?.[subject.backend] === undefined);
  describe(`sandbox ${name}`, () => {
    for (const { title, check } of cases) it(title, () => withBox(subject, check));
  });
}

async function withBox(subject: SandboxSubject, check: SandboxCase["check"]): Promise<void> {
  const temporary = await realpath(tmpdir());
  const workspace = await mkdtemp(join(temporary, "lmagent-sandbox-test-"));
  const outside = await mkdtemp(join(temporary, "lmagent-outside-"));
  try {
    await writeFile(`${outside}/secret`, "secret text");
    // So that only the sandbox keeps commands out of it.
    await chmod(outside, 0o777);
    await subject.prepareWorkspace?.(workspace);
    const sandbox = await subject.open(workspace);
    try {
      const run: SandboxBox["run"] = (command, options) => runAndCollect(sandbox, command, options);
      const put: SandboxBox["put"] = (path, content, mode) => putFile(workspace, path, { content, mode });
      await check({ subject, sandbox, workspace, outside, run, put });
    } finally {
      await sandbox[Symbol.asyncDispose]();
    }
  } finally {
    for (const folder of [workspace, outside]) await rm(folder, { recursive: true, force: true });
  }
}

async function putFile(
  workspace: string,
  path: string,
  { content, mode = 0o644 }: { content: string; mode: number | undefined },
): Promise<void> {
  const file = join(workspace, path);
  await writeFile(file, content);
  await chmod(file, mode);
  const { uid, gid } = await stat(workspace);
  if (process.getuid?.() === 0) await chown(file, uid, gid);
}
