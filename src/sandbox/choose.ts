import { AgentError } from "../core/errors.ts";
import type { Sandbox, SandboxBackend } from "../core/sandbox.ts";
import { createBubblewrapSandbox, probeSandbox } from "./bubblewrap.ts";
import { createProcessSandbox } from "./process.ts";
import { findTrustedBinary } from "./trusted-binary.ts";

export interface ChooseOptions {
  /** Absolute path of the workspace on the host. */
  workspaceRoot: string;
  /** This backend or none. */
  prefer?: SandboxBackend;
  /** Whether commands may run without isolation where nothing isolates. */
  allowUnsandboxed: boolean;
  /** Absolute folders outside `/usr` that commands may read and whose `bin` is on their `PATH`. */
  toolchains?: readonly string[];
}

export interface ChosenSandbox {
  sandbox: Sandbox;
  /** Why commands run without isolation, for the user to see; absent when they are isolated. */
  warning?: string;
}

/**
 * The strongest sandbox that works here. Throws `AgentError` `sandbox_unavailable` when there is none, or when the preferred one
 * does not work: it never becomes a weaker one by itself.
 */
export async function chooseSandbox(options: ChooseOptions): Promise<ChosenSandbox> {
  const { prefer } = options;
  if (prefer === "process") return chooseProcess(options, "the backend `process` was chosen");
  if (prefer !== undefined && prefer !== "bubblewrap") {
    throw unavailable(
      prefer,
      `The sandbox \`${prefer}\` does not exist in this version; use \`bubblewrap\`.`,
    );
  }
  const bubblewrap = await tryBubblewrap(options);
  if (typeof bubblewrap !== "string") return { sandbox: bubblewrap };
  if (prefer === "bubblewrap")
    throw unavailable(prefer, `The sandbox \`bubblewrap\` does not work here: ${bubblewrap}.`);
  return chooseProcess(options, `bubblewrap does not work here: ${bubblewrap}`);
}

/** The sandbox, or the reason why there is none. */
async function tryBubblewrap({ workspaceRoot, toolchains = [] }: ChooseOptions): Promise<Sandbox | string> {
  if (process.platform !== "linux") return "it needs Linux";
  const bwrapPath = findTrustedBinary("bwrap", workspaceRoot);
  if (bwrapPath === undefined) return "it is not installed (Debian, Ubuntu: `apt install bubblewrap`)";
  const sandbox = createBubblewrapSandbox({ workspaceRoot, bwrapPath, toolchains });
  const probed = await probeSandbox(sandbox);
  if (probed.usable) return sandbox;
  await sandbox[Symbol.asyncDispose]();
  return probed.reason;
}

function chooseProcess(
  { workspaceRoot, toolchains = [], allowUnsandboxed }: ChooseOptions,
  why: string,
): ChosenSandbox {
  if (!allowUnsandboxed) {
    throw unavailable(
      "process",
      `Commands would run without isolation (${why}), so none was run. Repair it, or accept the risk with \`--allow-unsandboxed\`.`,
    );
  }
  return {
    sandbox: createProcessSandbox({ workspaceRoot, toolchains }),
    warning: `Commands run without isolation: they can read and change everything you can (${why}).`,
  };
}

function unavailable(backend: SandboxBackend, message: string): AgentError {
  return new AgentError("sandbox_unavailable", message, { data: { backend } });
}
