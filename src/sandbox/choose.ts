/**
 * Which sandbox commands get: the strongest that works here and passes its test. Every one that was passed over leaves its reason.
 * Backends are loaded when they are tried, since each start pays for what it loads.
 */
import { statSync } from "node:fs";
import { release } from "node:os";
import { AgentError, errorMessage } from "../core/errors.ts";
import type { Sandbox, SandboxBackend, SandboxNetwork } from "../core/sandbox.ts";
import {
  tryBubblewrap,
  tryDocker,
  trySeatbelt,
  type DockerChoice,
  type Tried,
  type Unusable,
} from "./candidates.ts";
import { describeProcessLimits, type SandboxLimit } from "./describe-limits.ts";
import { openPassedTests, type TestFacts } from "./self-test-memory.ts";
import type { SandboxCheck } from "./self-test.ts";

export interface ChooseOptions {
  /** Absolute path of the workspace on the host. */
  workspaceRoot: string;
  /** This backend or none. */
  prefer?: SandboxBackend;
  /** What commands may reach; default `none`. */
  network?: SandboxNetwork;
  /** Whether commands may run without isolation where nothing isolates. */
  allowUnsandboxed: boolean;
  /** Absolute folders outside `/usr` that commands may read and whose `bin` is on their `PATH`. */
  toolchains?: readonly string[];
  docker?: DockerChoice;
  /** The user's own folder, where passed tests are remembered; without one every choice tests. */
  stateDir?: string;
  /** Of this program: another version tests again. */
  version?: string;
  /** Tests even what has passed before. */
  retest?: boolean;
  /** Ends a test, and the choice with the signal's reason. */
  signal?: AbortSignal;
  /** Told of each test that was run. */
  onTested?: (backend: SandboxBackend, checks: readonly SandboxCheck[]) => void;
}

/** A backend that is not used, and why. */
export interface PassedOver extends Unusable {
  backend: SandboxBackend;
}

export interface ChosenSandbox {
  sandbox: Sandbox;
  /** What the user has to know: that commands run without isolation, or with a network. Absent when there is nothing to say. */
  warning?: string;
  limits: readonly SandboxLimit[];
  /** What does not hold as it should on this machine. */
  faults: readonly string[];
  /** For Docker: what the commands run in. */
  image?: string;
  /** In the order in which they were tried. */
  considered: readonly PassedOver[];
}

const ORDER = ["docker", "bubblewrap", "seatbelt"] as const satisfies readonly SandboxBackend[];

const TRIES = { docker: tryDocker, bubblewrap: tryBubblewrap, seatbelt: trySeatbelt } as const;

const NETWORK_WARNING =
  "Commands can reach other machines and what listens on this one, so what they read can leave it (network `bridge`).";

/**
 * Throws `AgentError` `sandbox_unavailable`, with `data.considered`, when nothing works that may be used, or when the preferred backend does not work: it
 * never becomes another one by itself.
 */
export async function chooseSandbox(options: ChooseOptions): Promise<ChosenSandbox> {
  const { prefer } = options;
  if (prefer === "process")
    return chooseProcess(options, { why: "the backend `process` was chosen", considered: [] });
  const considered: PassedOver[] = [];
  for (const backend of prefer === undefined ? ORDER : [prefer]) {
    const found = await tryBackend(backend, options);
    if ("sandbox" in found) return toChosen(found, considered);
    // It goes into sentences.
    considered.push({ backend, ...found, reason: found.reason.replace(/\.$/, "") });
  }
  const reasons = considered.map(({ backend, reason }) => `${backend}: ${reason}`).join("; ");
  if (prefer !== undefined)
    throw unavailable(
      prefer,
      `The sandbox \`${prefer}\` does not work here: ${considered[0]?.reason}.`,
      considered,
    );
  return chooseProcess(options, { why: `nothing isolates here: ${reasons}`, considered });
}

function toChosen(
  { sandbox, limits, image, warnings = [] }: Tried,
  considered: readonly PassedOver[],
): ChosenSandbox {
  return {
    sandbox,
    limits,
    faults: warnings,
    considered,
    ...(image === undefined ? {} : { image }),
    ...(sandbox.network === "bridge" ? { warning: NETWORK_WARNING } : {}),
  };
}

async function tryBackend(backend: keyof typeof TRIES, options: ChooseOptions): Promise<Tried | Unusable> {
  let tried: Tried | Unusable;
  try {
    tried = await TRIES[backend](options);
  } catch (thrown) {
    // A workspace that cannot be used is the user's business whatever the backend, and a fault of ours must not lead to a weaker one.
    if (!AgentError.is(thrown) || thrown.code === "workspace_invalid") throw thrown;
    return { reason: errorMessage(thrown) };
  }
  if (!("sandbox" in tried)) return tried;
  let fault: string | undefined = "its test was interrupted";
  try {
    fault = await findFault(tried, options);
  } finally {
    if (fault !== undefined) await tried.sandbox[Symbol.asyncDispose]();
  }
  return fault === undefined ? tried : { reason: fault };
}

/** What the test of a sandbox found, unless the same has passed before. */
async function findFault({ sandbox, facts }: Tried, options: ChooseOptions): Promise<string | undefined> {
  const passed = openPassedTests(options.stateDir);
  const all = { ...facts, ...toCommonFacts(sandbox, options) };
  if (!options.retest && (await passed.has(all))) return undefined;
  const { testSandbox } = await import("./self-test.ts");
  const checks = await testSandbox(sandbox, options);
  options.signal?.throwIfAborted();
  options.onTested?.(sandbox.backend, checks);
  const failed = checks.filter(({ ok }) => !ok);
  if (failed.length > 0) return `its test failed: ${failed.map(toReason).join("; ")}`;
  await passed.add(all);
  return undefined;
}

function toReason({ name, detail }: SandboxCheck): string {
  return `not true that ${name}${detail === "" ? "" : ` (${detail})`}`;
}

function toCommonFacts({ backend, network }: Sandbox, { workspaceRoot, version }: ChooseOptions): TestFacts {
  return {
    backend,
    network,
    version,
    release: release(),
    arch: process.arch,
    uid: process.getuid?.(),
    // As root commands run as this user.
    owner: statSync(workspaceRoot).uid,
  };
}

async function chooseProcess(
  { workspaceRoot, toolchains = [], allowUnsandboxed }: ChooseOptions,
  { why, considered }: { why: string; considered: readonly PassedOver[] },
): Promise<ChosenSandbox> {
  if (!allowUnsandboxed) {
    throw unavailable(
      "process",
      `Commands would run without isolation (${why}), so none was run. Repair it, or accept the risk with \`--allow-unsandboxed\`.`,
      considered,
    );
  }
  const { createProcessSandbox } = await import("./process.ts");
  return {
    sandbox: createProcessSandbox({ workspaceRoot, toolchains }),
    warning: `Commands run without isolation: they can read and change everything you can (${why}).`,
    limits: describeProcessLimits("process", { asRoot: false }),
    faults: [],
    considered,
  };
}

function unavailable(
  backend: SandboxBackend,
  message: string,
  considered: readonly PassedOver[],
): AgentError {
  return new AgentError("sandbox_unavailable", message, { data: { backend, considered } });
}
