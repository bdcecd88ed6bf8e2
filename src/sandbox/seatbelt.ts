/** The sandbox of macOS. Its parts are tested, and the whole with a stand-in for `sandbox-exec`; on a Mac it has never been run by us. */
import { chownSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError, errorMessage } from "../core/errors.ts";
import type { Sandbox, SandboxNetwork, SandboxResult, SandboxRunOptions } from "../core/sandbox.ts";
import { STATE_FOLDER } from "../core/workspace.ts";
import { toCleanEnvironment } from "./environment.ts";
import { runGuarded, startGuarded, withWarnings, type GuardedCommand } from "./git-guard.ts";
import { createOutputPipes } from "./output-pipes.ts";
import { OBEYED_FILES, readPins } from "./pins.ts";
import { MAX_PROCESSES, toLimitedCommand, toRunLimits } from "./run-limits.ts";
import { toSeatbeltProfile, type SeatbeltProfile } from "./seatbelt-profile.ts";
import { createCommandTree, type CommandTree } from "./seatbelt-tree.ts";
import { createGroupWatch, type GroupWatch } from "./seatbelt-watch.ts";
import { supervise, superviseProgram, withoutReport, type ChildEnd, type ChildPlan } from "./supervise.ts";
import { createUnderWay } from "./under-way.ts";
import type { Verdict } from "./watch-tree.ts";
import { openWorkspaceRoot, toWorkingFolder, type RunAs } from "./workspace-root.ts";

/** Never looked for anywhere else. */
export const SANDBOX_EXEC = "/usr/bin/sandbox-exec";

export interface SeatbeltSandboxOptions {
  /** Absolute path of the workspace on the host. */
  workspaceRoot: string;
  /** Absolute folders that commands may read and whose `bin` is on their `PATH`; never a home folder. */
  toolchains?: readonly string[];
  /** Default `none`. With `bridge` commands are in the network of this machine, its own servers included. */
  network?: SandboxNetwork;
  /** For tests. */
  sandboxExecPath?: string;
}

/** Rules by path also hold for what is not there yet, unlike what the other backends mount. */
const PINNED = [STATE_FOLDER, ".git/config", ".git/hooks", ...OBEYED_FILES] as const;

/**
 * Each command under a profile of macOS: it sees the system and the workspace at their real paths, and writes only in the workspace
 * and in a temporary folder of its own. Throws `AgentError` `workspace_invalid`.
 */
export function createSeatbeltSandbox(options: SeatbeltSandboxOptions): Sandbox {
  const { network = "none" } = options;
  const root = openWorkspaceRoot(options.workspaceRoot);
  const outputs = createOutputPipes();
  const watch = createGroupWatch();
  const underWay = createUnderWay();
  let home: string | undefined;
  const prepare = (
    command: string | readonly string[],
    runOptions: SandboxRunOptions,
    { repositories }: GuardedCommand,
  ): ChildPlan => {
    const { spawn: user } = root.check();
    home ??= makeHome(user);
    watch.start(home);
    const cwd = join(root.path, toWorkingFolder(root.path, runOptions.cwd));
    const pinned = listPinned(root.path, repositories);
    const plan = toPlan(command, { ...options, root: root.path, home, watch, pinned, wanted: runOptions });
    return { ...plan, cwd, user, outputs };
  };
  return {
    backend: "seatbelt",
    isolated: true,
    network,
    run: (command, wanted = {}) =>
      underWay.run(wanted, (runOptions) =>
        runGuarded(root.path, async (guarded) =>
          withoutReport(await supervise(prepare(command, runOptions, guarded), runOptions)),
        ),
      ),
    start: (command, runOptions = {}) =>
      startGuarded(root.path, async (guarded) => {
        const plan = { ...prepare(command, runOptions, guarded), timeoutMs: undefined };
        const finish = (end: ChildEnd): SandboxResult => withWarnings(withoutReport(end), guarded.finish());
        return underWay.keep(await superviseProgram(plan, runOptions, finish));
      }),
    async [Symbol.asyncDispose]() {
      await underWay.end();
      watch.stop();
      outputs.close();
      if (home !== undefined) rmSync(home, { recursive: true, force: true });
      home = undefined;
    },
  };
}

/** What other programs obey: always, and what is there now. */
function listPinned(root: string, repositories: readonly string[]): string[] {
  const found = readPins(root, repositories).flatMap(({ path, access }) => (access === "read" ? [path] : []));
  return [...new Set([...PINNED, ...found])];
}

interface SeatbeltRun extends SeatbeltSandboxOptions {
  root: string;
  home: string;
  watch: GroupWatch;
  /** Relative to the workspace. */
  pinned: readonly string[];
  wanted: SandboxRunOptions;
}

function toPlan(
  command: string | readonly string[],
  run: SeatbeltRun,
): Omit<ChildPlan, "outputs" | "cwd" | "user"> {
  const { root, home, watch, wanted, pinned } = run;
  const { toolchains = [], network = "none", sandboxExecPath = SANDBOX_EXEC } = run;
  const limits = toRunLimits(wanted);
  const profile = toSeatbeltProfile({
    workspace: root,
    temporary: home,
    toolchains,
    pinned,
    network,
  });
  // The kernel counts the processes of a user and not of a command, so their number is watched.
  const program = toLimitedCommand(command, { memoryMb: limits.memoryMb });
  const tree = createCommandTree();
  return {
    backend: "seatbelt",
    argv: [sandboxExecPath, ...toSeatbeltArguments(profile), ...program],
    env: toCleanEnvironment({ home, toolchains, network, added: wanted.env }),
    ...limits,
    ...toOversight(tree, limits.memoryMb),
    onSpawn: (pid) => watch.add(pid),
    kill: tree.kill,
    async sweep(pid) {
      await tree.sweep(pid);
      watch.drop(pid);
    },
  };
}

/** Arguments of sandbox-exec(1): the profile as text, and each parameter as one word. */
export function toSeatbeltArguments({ text, parameters }: SeatbeltProfile): string[] {
  return ["-p", text, ...Object.entries(parameters).flatMap(([name, value]) => ["-D", `${name}=${value}`])];
}

/** Watching as the process tree of macOS allows it: what `members` finds is measured by the same look. */
function toOversight(
  tree: CommandTree,
  memoryMb: number,
): Pick<ChildPlan, "members" | "maxProcesses" | "verdict"> {
  let pids: readonly number[] = [];
  return {
    maxProcesses: MAX_PROCESSES,
    members: (pid) => (pids = tree.members(pid)),
    verdict: (): Verdict | undefined =>
      tree.measure(pids) > memoryMb * 1_024 * 1_024 ? "memory" : undefined,
  };
}

/** Home and temporary folder of commands, by its real path: `/tmp` is a link on macOS, and rules are about real paths. */
function makeHome({ uid, gid }: RunAs["spawn"]): string {
  try {
    const home = mkdtempSync(join(realpathSync(tmpdir()), "lmagent-home-"));
    if (uid !== undefined && gid !== undefined) chownSync(home, uid, gid);
    return home;
  } catch (cause) {
    throw new AgentError(
      "sandbox_unavailable",
      `No home for commands could be made in \`${tmpdir()}\`: ${errorMessage(cause)}. Free some space there, or set TMPDIR to another folder.`,
      { cause, data: { backend: "seatbelt" } },
    );
  }
}
