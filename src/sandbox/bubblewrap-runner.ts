/** How one command comes into bubblewrap: into a sandbox that waits for it, or into a new one. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { SANDBOX_ROOT, type SandboxNetwork, type SandboxRunOptions } from "../core/sandbox.ts";
import { prestartInGroup, superviseInGroup } from "./bubblewrap-group.ts";
import { createLauncher, type Launch } from "./bubblewrap-launch.ts";
import { createSpares, type SpareWanted, type StartedSpare } from "./bubblewrap-spare.ts";
import { createDeathWatch } from "./death-watch.ts";
import { toCleanEnvironment } from "./environment.ts";
import type { GuardedCommand } from "./git-guard.ts";
import { toHandOver } from "./hand-over.ts";
import { createOutputPipes } from "./output-pipes.ts";
import { toPinKey } from "./pins.ts";
import { isRunning, readChildren, readTree } from "./process-tree.ts";
import {
  MAX_PROCESSES,
  toLimitedCommand,
  toLimitLine,
  toProgram,
  toRunLimits,
  type CommandLimits,
} from "./run-limits.ts";
import type { ChildEnd, ChildPlan } from "./supervise.ts";
import { toWorkingFolder, type RunAs, type WorkspaceRoot } from "./workspace-root.ts";

/** By this the processes of one sandbox are known, also inside. */
const MARK = "LMAGENT_SANDBOX";

/** How long the kernel may take to clear away the processes of a command that has ended. */
const CLEAR_MS = 1_000;

export interface RunnerOptions {
  bwrapPath: string;
  toolchains: readonly string[];
  network: SandboxNetwork;
  root: WorkspaceRoot;
}

export interface Run {
  command: string | readonly string[];
  options: SandboxRunOptions;
  guarded: GuardedCommand;
}

export interface Runner {
  /** Throws `AgentError` like `Sandbox.run`. */
  run(run: Run): Promise<ChildEnd>;
  /** A new sandbox for this alone. Throws like `run`. */
  prepare(run: Run): Promise<ChildPlan>;
  /** Call it when nothing runs any more. */
  end(): Promise<void>;
}

/** Throws `AgentError` `sandbox_unavailable` like `createLauncher`. */
export function createRunner(options: RunnerOptions): Runner {
  const { root } = options;
  const base = createBase(options);
  const spares = createSpares({
    root: root.path,
    systemState: () => base.launcher.systemState(),
    start: (wanted) => startSpare(base, wanted),
  });
  const prepare = async (run: Run): Promise<ChildPlan> => {
    const wanted = toWanted(root, run);
    const program = toLimitedCommand(run.command, toCommandLimits(wanted.limits));
    const { plan, launch } = await base.prepare({ ...wanted, program });
    run.guarded.pinned(toPinKey(launch.pins));
    const onStarted = (): void => {
      launch.close();
      launch.closePins();
    };
    return { ...plan, onStarted };
  };
  const startAnew = async (run: Run): Promise<ChildEnd> => superviseInGroup(await prepare(run), run.options);
  return {
    prepare,
    async run(run) {
      const { limits, user, cwd } = toWanted(root, run);
      const like = { user, memoryMb: limits.memoryMb, guarded: run.guarded };
      const text = toHandOver({
        program: toProgram(run.command),
        cwd: cwd === "." ? undefined : `${SANDBOX_ROOT}/${cwd}`,
        environment: run.options.env ?? {},
      });
      const spare = text === undefined ? undefined : await spares.take(like);
      const ended =
        spare === undefined || text === undefined
          ? startAnew(run)
          : spare.handOver(text, { ...run.options, ...limits });
      spares.begin(like, ended);
      return ended;
    },
    async end() {
      await spares.end();
      base.close();
    },
  };
}

interface Base {
  launcher: ReturnType<typeof createLauncher>;
  prepare(wanted: Prepared): Promise<{ plan: ChildPlan; launch: Launch }>;
  close(): void;
}

/** What all sandboxes over one workspace have in common. */
function createBase({ bwrapPath, toolchains, network, root }: RunnerOptions): Base {
  const launcher = createLauncher({ bwrapPath, workspace: root.path, network, toolchains });
  const outputs = createOutputPipes();
  const mark = randomUUID();
  const deathWatch = createDeathWatch(mark);
  return {
    launcher,
    async prepare(wanted) {
      const { limits, program, user } = wanted;
      const launch = await launcher.prepare({
        user,
        repositories: wanted.guarded.repositories,
        cwd: wanted.cwd,
        environment: toCleanEnvironment({ home: "/tmp", toolchains, network, added: wanted.added }),
        mark: [MARK, mark],
        program,
      });
      deathWatch.start();
      // In its own environment, which it passes on: it can be found by that before it has read what it is given.
      const plan = { ...toPlan(user, launch), ...limits, env: { [MARK]: mark }, outputs };
      return { plan, launch };
    },
    close() {
      deathWatch.stop();
      outputs.close();
      launcher.close();
    },
  };
}

/** A sandbox with a shell that has its limits and waits for what to become. */
async function startSpare(base: Base, { user, memoryMb, guarded }: SpareWanted): Promise<StartedSpare> {
  const systemState = base.launcher.systemState();
  const limits = { ...toRunLimits({}), memoryMb };
  const program = ["/bin/sh"];
  const before = `${toLimitLine(toCommandLimits(limits))}\n`;
  const { plan, launch } = await base.prepare({ user, guarded, limits, program, cwd: ".", added: undefined });
  try {
    const child = await prestartInGroup({ ...plan, onStarted: launch.close }, before);
    return { child, pins: launch.pins, systemState, release: launch.closePins };
  } catch (thrown) {
    launch.closePins();
    throw thrown;
  }
}

type RunLimits = ReturnType<typeof toRunLimits>;

function toCommandLimits({ memoryMb }: RunLimits): CommandLimits {
  return { memoryMb, processes: MAX_PROCESSES };
}

interface Wanted {
  guarded: GuardedCommand;
  user: RunAs;
  limits: RunLimits;
  /** Inside the workspace. */
  cwd: string;
  /** To the environment. */
  added: Readonly<Record<string, string>> | undefined;
}

interface Prepared extends Wanted {
  /** What runs inside. */
  program: readonly string[];
}

/** Checks the workspace and what of it is asked for. */
function toWanted(root: WorkspaceRoot, { options, guarded }: Run): Wanted {
  const user = root.check();
  const cwd = toWorkingFolder(root.path, options.cwd);
  return { user, cwd, guarded, limits: toRunLimits(options), added: options.env };
}

function toPlan(
  user: RunAs,
  { argv, input, descriptors }: Launch,
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
