import { AgentError, errorMessage } from "../core/errors.ts";
import type { Sandbox, SandboxNetwork, SandboxResult } from "../core/sandbox.ts";
import { startInGroup } from "./bubblewrap-group.ts";
import { createRunner } from "./bubblewrap-runner.ts";
import { runGuarded, startGuarded, withWarnings } from "./git-guard.ts";
import { withoutReport, type ChildEnd } from "./supervise.ts";
import { createUnderWay } from "./under-way.ts";
import { openWorkspaceRoot } from "./workspace-root.ts";

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
  const runner = createRunner({ bwrapPath, toolchains, network, root });
  const underWay = createUnderWay();
  return {
    backend: "bubblewrap",
    isolated: true,
    network,
    run: (command, wanted = {}) =>
      underWay.run(wanted, (options) =>
        runGuarded(root.path, async (guarded) => {
          const end = await runner.run({ command, options, guarded });
          if (isReached(end)) return withoutReport(end);
          const why = toSetupFailure(bwrapPath, end.exitCode);
          throw new AgentError("sandbox_unavailable", why, { data: { backend: "bubblewrap" } });
        }),
      ),
    start: (command, options = {}) =>
      startGuarded(root.path, async (guarded) => {
        const plan = await runner.prepare({ command, options, guarded });
        const finish = (end: ChildEnd): SandboxResult => {
          const why = isReached(end) ? [] : [toSetupFailure(bwrapPath, end.exitCode)];
          return withWarnings(withoutReport(end), [...why, ...guarded.finish()]);
        };
        return underWay.keep(await startInGroup(plan, options, finish));
      }),
    async [Symbol.asyncDispose]() {
      await underWay.end();
      await runner.end();
    },
  };
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
