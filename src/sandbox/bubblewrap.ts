import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { AgentError, errorMessage } from "../core/errors.ts";
import type {
  Sandbox,
  SandboxNetwork,
  SandboxProcess,
  SandboxResult,
  SandboxRunOptions,
} from "../core/sandbox.ts";
import { createLauncher, type Launch } from "./bubblewrap-launch.ts";
import { createControlGroup } from "./cgroup.ts";
import { createDeathWatch } from "./death-watch.ts";
import { toCleanEnvironment } from "./environment.ts";
import { createOutputPipes } from "./output-pipes.ts";
import { isRunning, readChildren, readTree } from "./process-tree.ts";
import { MAX_PROCESSES, toLimitedCommand, toRunLimits } from "./run-limits.ts";
import { runGuarded, startGuarded, withWarnings, type GuardedCommand } from "./git-guard.ts";
import { supervise, superviseProgram, withoutReport, type ChildEnd, type ChildPlan } from "./supervise.ts";
import { createUnderWay } from "./under-way.ts";
import { openWorkspaceRoot, toWorkingFolder, type RunAs } from "./workspace-root.ts";

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
  /** Default `none`. With `bridge` commands are in the network of this machine, its own servers included. */
  network?: SandboxNetwork;
}

/**
 * Each command in its own Linux namespaces: no network, no other processes, of the file system only the system's programs and the
 * workspace. Ends with the agent, even when that is killed. Throws `AgentError` `workspace_invalid`, and `sandbox_unavailable` on an
 * architecture whose system calls cannot be filtered.
 */
export function createBubblewrapSandbox(options: BubblewrapOptions): Sandbox {
  const { bwrapPath, toolchains = [], network = "none" } = options;
  const root = openWorkspaceRoot(options.workspaceRoot);
  const launcher = createLauncher({ bwrapPath, workspace: root.path, network, toolchains });
  const outputs = createOutputPipes();
  const mark = randomUUID();
  const deathWatch = createDeathWatch(mark);
  const underWay = createUnderWay();
  const prepare = async ({ command, options, guarded }: Run): Promise<ChildPlan> => {
    const user = root.check();
    const limits = toRunLimits(options);
    const { close, ...launch } = await launcher.prepare({
      user,
      repositories: guarded.repositories,
      cwd: toWorkingFolder(root.path, options.cwd),
      environment: toCleanEnvironment({ home: "/tmp", toolchains, added: options.env }),
      mark: [MARK, mark],
      program: toLimitedCommand(command, { memoryMb: limits.memoryMb, processes: MAX_PROCESSES }),
    });
    deathWatch.start();
    // In its own environment, which it passes on: it can be found by that before it has read what it is given.
    return { ...toPlan(user, launch), ...limits, env: { [MARK]: mark }, outputs, onStarted: close };
  };
  return {
    backend: "bubblewrap",
    isolated: true,
    network,
    run: (command, wanted = {}) =>
      underWay.run(wanted, (options) =>
        runGuarded(root.path, async (guarded) => {
          const end = await runCommand(await prepare({ command, options, guarded }), options);
          if (isReached(end)) return withoutReport(end);
          const why = toSetupFailure(bwrapPath, end.exitCode);
          throw new AgentError("sandbox_unavailable", why, { data: { backend: "bubblewrap" } });
        }),
      ),
    start: (command, options = {}) =>
      startGuarded(root.path, async (guarded) => {
        const plan = await prepare({ command, options, guarded });
        const finish = (end: ChildEnd): SandboxResult => {
          const why = isReached(end) ? [] : [toSetupFailure(bwrapPath, end.exitCode)];
          return withWarnings(withoutReport(end), [...why, ...guarded.finish()]);
        };
        return underWay.keep(await startProgram(plan, options, finish));
      }),
    async [Symbol.asyncDispose]() {
      await underWay.end();
      deathWatch.stop();
      outputs.close();
      launcher.close();
    },
  };
}

/** Of bubblewrap itself: the one outside and the first one inside. */
const OWN_PROCESSES = 2;

/** Bubblewrap reads its last arguments only when it is in the group, and so nothing of the program is ever outside. */
function putInGroup(plan: ChildPlan): { plan: ChildPlan; remove: () => void } {
  const group = createControlGroup({
    memoryBytes: plan.memoryMb * 1_024 * 1_024,
    processes: MAX_PROCESSES + OWN_PROCESSES,
  });
  if (group === undefined) return { plan, remove: () => {} };
  const own = { ...plan, onSpawn: (pid: number) => group.enter(pid), verdict: () => group.verdict() };
  return { plan: own, remove: () => group.remove() };
}

/** Entering a group takes a while, so only those commands are put in one for which nothing else limits their processes. */
async function runCommand(plan: ChildPlan, options: SandboxRunOptions): Promise<ChildEnd> {
  if (plan.maxProcesses === undefined) return supervise(plan, options);
  const group = putInGroup(plan);
  try {
    return await supervise(group.plan, options);
  } finally {
    group.remove();
  }
}

async function startProgram(
  plan: ChildPlan,
  options: SandboxRunOptions,
  finish: (end: ChildEnd) => SandboxResult,
): Promise<SandboxProcess> {
  const group = putInGroup({ ...plan, timeoutMs: undefined });
  try {
    return await superviseProgram(group.plan, options, (end) => {
      group.remove();
      return finish(end);
    });
  } catch (thrown) {
    group.remove();
    throw thrown;
  }
}

interface Run {
  command: string | readonly string[];
  options: SandboxRunOptions;
  guarded: GuardedCommand;
}

function toPlan(
  user: RunAs,
  { argv, input, descriptors }: Omit<Launch, "close">,
): Omit<ChildPlan, "outputs" | "memoryMb" | "env"> {
  return {
    backend: "bubblewrap",
    argv,
    input,
    descriptors,
    cwd: "/",
    user: user.spawn,
    // The kernel's limit on processes does not hold for root.
    ...(user.uid === 0 ? { maxProcesses: MAX_PROCESSES } : {}),
    members: readTree,
    kill: killInside,
    endsTogether: true,
    sweep: waitUntilCleared,
  };
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
  while (first !== undefined && isRunning(Number(first)) && performance.now() < deadline) await pause(1);
}

/** The report names an exit code only when the command was reached; without one bubblewrap itself has failed. */
function isReached({ report, stopped, signal }: ChildEnd): boolean {
  return stopped !== undefined || signal !== undefined || report.includes('"exit-code"');
}

function toSetupFailure(bwrapPath: string, exitCode: number): string {
  return `\`${bwrapPath}\` could not set up its sandbox (exit code ${exitCode}). Run \`lmagent sandbox status\` to see why.`;
}

export type ProbeResult = { usable: true } | { usable: false; reason: string };

/** Tells whether bubblewrap works here. */
export async function probeBubblewrap(options: BubblewrapOptions): Promise<ProbeResult> {
  await using sandbox = createBubblewrapSandbox(options);
  return await probeSandbox(sandbox);
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
