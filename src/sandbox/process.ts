import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { AgentError, errorMessage } from "../core/errors.ts";
import type { Sandbox, SandboxResult, SandboxRunOptions } from "../core/sandbox.ts";
import { createDeathWatch } from "./death-watch.ts";
import { GIT_SETTINGS, toCleanEnvironment } from "./environment.ts";
import { createOutputPipes } from "./output-pipes.ts";
import {
  hasInEnvironment,
  hasResidentLimit,
  readProcesses,
  readProcessIds,
  type ProcessRow,
} from "./process-tree.ts";
import { createLimitMark, MAX_PROCESSES, toLimitedCommand, toRunLimits } from "./run-limits.ts";
import { runGuarded, startGuarded, withWarnings } from "./git-guard.ts";
import { supervise, superviseProgram, withoutReport, type ChildEnd, type ChildPlan } from "./supervise.ts";
import { createUnderWay } from "./under-way.ts";
import { openWorkspaceRoot, toWorkingFolder, type RunAs, type WorkspaceRoot } from "./workspace-root.ts";

/** Marks every process of a command, for the death watch and where no limit can. */
const MARK = "LMAGENT_COMMAND";

/** How long what is left of a command is looked for, and how often. */
const SWEEP_MS = 1_000;
const SWEEP_PAUSE_MS = 2;

/** So many times the allowed number of processes are looked at, since others may have started some too. */
const LOOK_SHARE = 8;

export interface ProcessSandboxOptions {
  /** Absolute path of the workspace on the host. */
  workspaceRoot: string;
  /** Absolute folders whose `bin` is on the `PATH` of commands. */
  toolchains?: readonly string[];
}

/**
 * The last resort: an ordinary child process with limits. It can reach all that this user can, so nothing may choose it
 * silently. Throws `AgentError` `workspace_invalid`.
 */
export function createProcessSandbox({ workspaceRoot, toolchains = [] }: ProcessSandboxOptions): Sandbox {
  const root = openWorkspaceRoot(workspaceRoot);
  const outputs = createOutputPipes();
  const family = randomUUID();
  const deathWatch = createDeathWatch(family);
  let home: string | undefined;
  const underWay = createUnderWay();
  const prepare = (command: string | readonly string[], options: SandboxRunOptions): ChildPlan => {
    const user = root.check();
    home ??= makeHome(user);
    const plan = toPlan(root, { ...options, command, home, user, toolchains, family });
    deathWatch.start(home);
    return { ...plan, outputs };
  };
  return {
    backend: "process",
    isolated: false,
    network: "bridge",
    run: (command, wanted = {}) =>
      underWay.run(wanted, (options) =>
        runGuarded(root.path, async () => withoutReport(await supervise(prepare(command, options), options))),
      ),
    start: (command, options = {}) =>
      startGuarded(root.path, async (guarded) => {
        const plan = { ...prepare(command, options), timeoutMs: undefined };
        const finish = (end: ChildEnd): SandboxResult => withWarnings(withoutReport(end), guarded.finish());
        return underWay.keep(await superviseProgram(plan, options, finish));
      }),
    async [Symbol.asyncDispose]() {
      await underWay.end();
      deathWatch.stop();
      outputs.close();
      if (home !== undefined) rmSync(home, { recursive: true, force: true });
      home = undefined;
    },
  };
}

/** Commands get a home of their own, so that settings and keys of the user do not change what they do. */
function makeHome({ spawn }: RunAs): string {
  try {
    const home = mkdtempSync(join(tmpdir(), "lmagent-home-"));
    writeFileSync(join(home, ".gitconfig"), GIT_SETTINGS, { mode: 0o644 });
    if (spawn.uid !== undefined && spawn.gid !== undefined)
      for (const path of [home, join(home, ".gitconfig")]) chownSync(path, spawn.uid, spawn.gid);
    return home;
  } catch (cause) {
    throw new AgentError(
      "sandbox_unavailable",
      `No home for commands could be made in \`${tmpdir()}\`: ${errorMessage(cause)}. Free some space there, or set TMPDIR to another folder.`,
      { cause, data: { backend: "process" } },
    );
  }
}

interface ProcessRun extends SandboxRunOptions {
  command: string | readonly string[];
  home: string;
  user: RunAs;
  toolchains: readonly string[];
  /** What the marks of all commands of this sandbox begin with. */
  family: string;
}

function toPlan(
  root: WorkspaceRoot,
  { command, home, user, toolchains, family, cwd, env, ...wanted }: ProcessRun,
): Omit<ChildPlan, "outputs"> {
  const limits = toRunLimits(wanted);
  const mark = `${family}.${randomUUID()}`;
  // What runs already is none of ours.
  const strangers = new Set(readProcessIds());
  const limitMark = createLimitMark();
  const isMarked = (pid: number): boolean => hasResidentLimit(pid, limitMark.kilobytes * 1_024);
  const everyone = (pid: number): number[] => {
    const rows = readProcesses(strangers);
    const below = findBelow(rows, pid, isMarked);
    const isOurs = (each: number): boolean => below.has(each) || hasInEnvironment(each, `${MARK}=${mark}`);
    return rows.map((row) => row.pid).filter(isOurs);
  };
  return {
    backend: "process",
    argv: toLimitedCommand(command, { memoryMb: limits.memoryMb, mark: limitMark }),
    env: { ...toCleanEnvironment({ home, toolchains, added: env }), [MARK]: mark },
    cwd: join(root.path, toWorkingFolder(root.path, cwd)),
    user: user.spawn,
    ...limits,
    maxProcesses: MAX_PROCESSES,
    members: (pid, most) => [...findBelow(readProcesses(strangers, most * LOOK_SHARE), pid, isMarked)],
    kill: (pid) => {
      // Those that have left are also found by their parents, which the end of the group takes away.
      send(-pid, "SIGSTOP");
      const before = everyone(pid);
      killAll(pid, everyone);
      before.forEach((each) => send(each, "SIGKILL"));
    },
    sweep: (pid) => sweep(pid, everyone),
  };
}

/** The whole group at once first: it cannot outrun that. Then whatever has left the group. Returns how many those were. */
function killAll(pid: number, members: (pid: number) => readonly number[]): number {
  send(-pid, "SIGKILL");
  const left = members(pid);
  for (const each of left) send(each, "SIGKILL");
  return left.length;
}

/** Until nothing is left: new processes may be made while others are ended. */
async function sweep(pid: number, members: (pid: number) => readonly number[]): Promise<void> {
  const deadline = performance.now() + SWEEP_MS;
  while (killAll(pid, members) > 0 && performance.now() < deadline) {
    await new Promise((resolve) => {
      setTimeout(resolve, SWEEP_PAUSE_MS);
    });
  }
}

function send(pid: number, signal: "SIGKILL" | "SIGSTOP"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Already gone.
  }
}

/** Processes of the command's session, those with its mark, and all that descend from them. */
function findBelow(
  rows: readonly ProcessRow[],
  pid: number,
  isMarked: (pid: number) => boolean,
): Set<number> {
  const isOwn = (row: ProcessRow): boolean => row.pid === pid || row.session === pid || isMarked(row.pid);
  const found = new Set(rows.filter(isOwn).map((row) => row.pid));
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const row of rows) if (found.has(row.parent)) found.add(row.pid);
  }
  return found;
}
