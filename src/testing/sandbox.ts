/**
 * What every sandbox must do. Give it the functions of your test runner and a way to open a sandbox over a folder:
 *
 *     describeSandbox("bubblewrap", { isolated: true, open: (workspaceRoot) => create({ workspaceRoot }) }, { describe, it });
 */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox, SandboxResult, SandboxRunOptions } from "../core/sandbox.ts";
import { ISOLATION_CASES } from "./sandbox-isolation-cases.ts";
import { RUN_CASES } from "./sandbox-run-cases.ts";

/** The two functions that vitest, node:test and jest have in common. */
export interface TestRunner {
  describe: (name: string, body: () => void) => unknown;
  it: (name: string, body: () => Promise<void>) => unknown;
}

export interface SandboxSubject {
  /** Whether the sandbox claims to keep commands in. */
  isolated: boolean;
  open: (workspaceRoot: string) => Promise<Sandbox> | Sandbox;
  /** Called on each new workspace before it is opened, for example to give it another owner. */
  prepareWorkspace?: (path: string) => Promise<void>;
}

/** A sandbox over a workspace of its own. */
export interface SandboxBox {
  sandbox: Sandbox;
  /** The workspace on the host. */
  workspace: string;
  run: (command: string | readonly string[], options?: SandboxRunOptions) => Promise<SandboxOutput>;
}

interface SandboxOutput extends SandboxResult {
  stdout: string;
  stderr: string;
  bytes: Buffer;
}

export interface SandboxCase {
  title: string;
  check: (box: SandboxBox) => Promise<void>;
}

export function describeSandbox(name: string, subject: SandboxSubject, { describe, it }: TestRunner): void {
  const cases = subject.isolated ? [...RUN_CASES, ...ISOLATION_CASES] : RUN_CASES;
  describe(`sandbox ${name}`, () => {
    for (const { title, check } of cases) it(title, () => withBox(subject, check));
  });
}

async function withBox(subject: SandboxSubject, check: SandboxCase["check"]): Promise<void> {
  const workspace = await mkdtemp(join(await realpath(tmpdir()), "lmagent-sandbox-test-"));
  try {
    await subject.prepareWorkspace?.(workspace);
    const sandbox = await subject.open(workspace);
    try {
      await check({ sandbox, workspace, run: (command, options) => collect(sandbox, command, options) });
    } finally {
      await sandbox[Symbol.asyncDispose]();
    }
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
}

async function collect(
  sandbox: Sandbox,
  command: string | readonly string[],
  options?: SandboxRunOptions,
): Promise<SandboxOutput> {
  const chunks: { stream: "stdout" | "stderr"; chunk: Uint8Array }[] = [];
  const result = await sandbox.run(command, {
    ...options,
    onOutput(chunk, stream) {
      chunks.push({ stream, chunk: Uint8Array.from(chunk) });
      options?.onOutput?.(chunk, stream);
    },
  });
  const join = (only: "stdout" | "stderr"): Buffer =>
    Buffer.concat(chunks.flatMap(({ stream, chunk }) => (stream === only ? [chunk] : [])));
  return {
    ...result,
    stdout: join("stdout").toString(),
    stderr: join("stderr").toString(),
    bytes: join("stdout"),
  };
}
