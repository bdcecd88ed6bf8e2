import { randomUUID } from "node:crypto";
import { chownSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { AgentError, errorMessage } from "../core/errors.ts";
import type { Sandbox, SandboxResult, SandboxRunOptions } from "../core/sandbox.ts";
import { STATE_FOLDER } from "../core/workspace.ts";
import { toAccountFiles, toBubblewrapArguments } from "./bubblewrap-arguments.ts";
import { createDeathWatch } from "./death-watch.ts";
import { toCleanEnvironment } from "./environment.ts";
import { createOutputPipes } from "./output-pipes.ts";
import { isRunning, readChildren, readTree } from "./process-tree.ts";
import { MAX_PROCESSES, toLimitedCommand, toRunLimits } from "./run-limits.ts";
import { supervise, type ChildEnd, type ChildPlan } from "./supervise.ts";
import { openWorkspaceRoot, toWorkingFolder, type RunAs, type WorkspaceRoot } from "./workspace-root.ts";

/** By this the processes of one sandbox are known, also inside. */
const MARK = "LMAGENT_SANDBOX";

/** How long the kernel may take to clear away the processes of a command that has ended. */
const CLEAR_MS = 1_000;

export interface BubblewrapOptions {
  /** Absolute path of the workspace on the host. */
  workspaceRoot: string;
  /** Absolute path of `bwrap`, as `findTrustedBinary` gives it. */
  bwrapPath: string;
  /** Absolute folders outside `/usr` that commands may read and whose `bin` is on their `PATH`; never a home folder. */
  toolchains?: readonly string[];
}

/**
 * Each command in its own Linux namespaces: no network, no other processes, of the file system only the system's programs and the
 * workspace. Ends with the agent, even when that is killed. Throws `AgentError` `workspace_invalid`.
 */
export function createBubblewrapSandbox(options: BubblewrapOptions): Sandbox {
  const root = openWorkspaceRoot(options.workspaceRoot);
  const outputs = createOutputPipes();
  const mark = randomUUID();
  const deathWatch = createDeathWatch(mark);
  return {
    backend: "bubblewrap",
    isolated: true,
    async run(command, runOptions = {}) {
      const env = { ...runOptions.env, [MARK]: mark };
      const plan = toPlan(root, options, { ...runOptions, command, env });
      deathWatch.start();
      const end = await supervise({ ...plan, outputs }, runOptions);
      return toResult(end, options.bwrapPath);
    },
    async [Symbol.asyncDispose]() {
      deathWatch.stop();
      outputs.close();
    },
  };
}

function toPlan(
  root: WorkspaceRoot,
  { bwrapPath, toolchains = [] }: BubblewrapOptions,
  { command, cwd, env, ...wanted }: SandboxRunOptions & { command: string | readonly string[] },
): Omit<ChildPlan, "outputs"> {
  const user = root.check();
  const limits = toRunLimits(wanted);
  ensureStateFolder(`${root.path}/${STATE_FOLDER}`, user);
  const bwrap = toBubblewrapArguments({
    workspace: root.path,
    cwd: toWorkingFolder(root.path, cwd),
    stateFolder: STATE_FOLDER,
    toolchains,
    environment: toCleanEnvironment({ home: "/tmp", toolchains, added: env }),
  });
  const program = toLimitedCommand(command, { memoryMb: limits.memoryMb, processes: MAX_PROCESSES });
  return {
    backend: "bubblewrap",
    argv: [bwrapPath, ...bwrap, ...program],
    env: {},
    cwd: "/",
    user: user.spawn,
    inputs: toAccountFiles(user),
    ...limits,
    // The kernel's limit on processes does not hold for root.
    ...(user.uid === 0 ? { maxProcesses: MAX_PROCESSES } : {}),
    members: readTree,
    kill: killInside,
    sweep: waitUntilCleared,
  };
}

/** It must be there to be laid over read-only; made by a command it could hold anything. */
function ensureStateFolder(path: string, { spawn }: RunAs): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  if (found !== undefined) {
    throw new AgentError(
      "workspace_invalid",
      `\`${path}\` is a link or a file, which may have been planted; remove it.`,
      {
        data: { path },
      },
    );
  }
  try {
    mkdirSync(path, { mode: 0o700 });
    // Like everywhere this folder is made: git does not list it.
    writeFileSync(`${path}/.gitignore`, "*\n", { flag: "wx", mode: 0o644 });
    if (spawn.uid !== undefined && spawn.gid !== undefined) chownSync(path, spawn.uid, spawn.gid);
  } catch (cause) {
    throw new AgentError(
      "workspace_invalid",
      `\`${path}\` could not be made: ${errorMessage(cause)}. Make the workspace writable.`,
      { cause, data: { path } },
    );
  }
}

/**
 * Ends the first process inside, and with it everything inside. Bubblewrap itself then ends too. Were it killed instead
 * while it still sets the sandbox up, its child would go on alone.
 */
function killInside(pid: number): void {
  for (const child of readChildren(pid)) {
    try {
      process.kill(child, "SIGKILL");
    } catch {
      // Already gone.
    }
  }
}

async function waitUntilCleared(_pid: number, report: string): Promise<void> {
  const first = /"child-pid": (\d+)/.exec(report)?.[1];
  const deadline = performance.now() + CLEAR_MS;
  while (first !== undefined && isRunning(Number(first)) && performance.now() < deadline) {
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
}

/** The report names an exit code only when the command was reached; without one bubblewrap itself has failed. */
function toResult({ report, ...result }: ChildEnd, bwrapPath: string): SandboxResult {
  if (result.stopped !== undefined || result.signal !== undefined || report.includes('"exit-code"'))
    return result;
  throw new AgentError(
    "sandbox_unavailable",
    `\`${bwrapPath}\` could not set up its sandbox (exit code ${result.exitCode}). Run \`lmagent sandbox status\` to see why.`,
    { data: { backend: "bubblewrap" } },
  );
}

export type ProbeResult = { usable: true } | { usable: false; reason: string };

/** Tells whether bubblewrap works here. */
export async function probeBubblewrap(options: BubblewrapOptions): Promise<ProbeResult> {
  await using sandbox = createBubblewrapSandbox(options);
  return probeSandbox(sandbox);
}

/** Runs one command as it would be run later, because only that tells whether the kernel allows it. */
export async function probeSandbox(sandbox: Sandbox): Promise<ProbeResult> {
  let said = "";
  const onOutput = (chunk: Uint8Array): void => {
    said += Buffer.from(chunk).toString();
  };
  try {
    const { exitCode } = await sandbox.run("true", { timeoutMs: 5_000, onOutput });
    if (exitCode === 0) return { usable: true };
    return { usable: false, reason: firstLine(said) ?? `a test command ended with exit code ${exitCode}` };
  } catch (thrown) {
    return { usable: false, reason: firstLine(said) ?? errorMessage(thrown) };
  }
}

function firstLine(text: string): string | undefined {
  return text.trim().split("\n")[0]?.slice(0, 300) || undefined;
}
