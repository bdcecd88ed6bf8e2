/** Tries one backend: the sandbox and what its test depends on, or the reason why it cannot be used here. */
import { existsSync, readFileSync, statSync } from "node:fs";
import type { Sandbox, SandboxNetwork } from "../core/sandbox.ts";
import { describeDockerLimits, describeProcessLimits, type SandboxLimit } from "./describe-limits.ts";
import type { DockerProbe } from "./docker/probe.ts";
import type { TestFacts } from "./self-test-memory.ts";
import { findTrustedBinary } from "./trusted-binary.ts";

export interface DockerChoice {
  /** The user's `DOCKER_HOST`; only `unix://` is used. */
  host?: string | undefined;
  /** The image commands run in. */
  image?: string | undefined;
  /** The user's home folder and `XDG_RUNTIME_DIR`, where some engines have their sockets. */
  home?: string | undefined;
  runtimeDir?: string | undefined;
}

export interface TryOptions {
  workspaceRoot: string;
  network?: SandboxNetwork;
  toolchains?: readonly string[];
  docker?: DockerChoice;
}

export interface Tried {
  sandbox: Sandbox;
  facts: TestFacts;
  limits: readonly SandboxLimit[];
  /** For Docker: what the commands run in. */
  image?: string;
  /** What does not hold as it should on this machine. */
  warnings?: readonly string[];
}

/** Why a backend cannot be used here. */
export interface Unusable {
  reason: string;
  /** A command for the user's own shell that repairs it, where one does. */
  fix?: string;
  /** It belongs to another system than this one. */
  foreign?: boolean;
}

export async function tryDocker({
  workspaceRoot,
  network,
  docker = {},
}: TryOptions): Promise<Tried | Unusable> {
  const { findDockerSocket } = await import("../docker/socket.ts");
  const socketPath = findDockerSocket({ ...docker, dockerHost: docker.host });
  if (socketPath === undefined) return { reason: "no Docker engine runs here: there is no socket of one" };
  const { createDockerSandbox, probeDocker, SANDBOX_IMAGE } = await import("./docker/index.ts");
  const image = docker.image ?? SANDBOX_IMAGE;
  const probed = await probeDocker({ socketPath, image });
  if (!probed.usable) return toFault(probed);
  const { identity, limits, warnings } = probed;
  return {
    sandbox: createDockerSandbox({
      workspaceRoot,
      socketPath,
      image,
      ...(network === undefined ? {} : { network }),
    }),
    facts: { socketPath, identity },
    limits: describeDockerLimits(limits),
    image,
    warnings,
  };
}

function toFault({ reason, lacksImage = false }: Extract<DockerProbe, { usable: false }>): Unusable {
  return lacksImage ? { reason, fix: "lmagent sandbox build" } : { reason };
}

export async function tryBubblewrap(options: TryOptions): Promise<Tried | Unusable> {
  const { workspaceRoot, toolchains = [], network = "none" } = options;
  if (process.platform !== "linux") return { reason: "it needs Linux", foreign: true };
  const bwrapPath = findTrustedBinary("bwrap", workspaceRoot);
  if (bwrapPath === undefined)
    return {
      reason: "it is not installed (Debian, Ubuntu: `apt install bubblewrap`)",
      fix: "sudo apt install bubblewrap",
    };
  const { createBubblewrapSandbox, probeSandbox } = await import("./bubblewrap.ts");
  const sandbox = createBubblewrapSandbox({ workspaceRoot, bwrapPath, toolchains, network });
  const probed = await probeSandbox(sandbox);
  if (probed.usable) {
    const limits = describeProcessLimits("bubblewrap", { asRoot: runsAsRoot(workspaceRoot) });
    return { sandbox, facts: toFileFacts(bwrapPath), limits };
  }
  await sandbox[Symbol.asyncDispose]();
  return { reason: probed.reason, ...findNamespaceFix() };
}

/** Settings by which distributions keep ordinary users from making namespaces, and the command that takes each back. */
const NAMESPACE_SETTINGS = [
  { name: "kernel.unprivileged_userns_clone", forbids: "0", allow: "1" },
  { name: "kernel.apparmor_restrict_unprivileged_userns", forbids: "1", allow: "0" },
  { name: "user.max_user_namespaces", forbids: "0", allow: "10000" },
] as const;

function findNamespaceFix(): { fix?: string } {
  if (process.getuid?.() === 0) return {};
  const setting = NAMESPACE_SETTINGS.find(({ name, forbids }) => readSetting(name) === forbids);
  return setting === undefined ? {} : { fix: `sudo sysctl -w ${setting.name}=${setting.allow}` };
}

function readSetting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll(".", "/")}`, "utf8").trim();
  } catch {
    return undefined;
  }
}

export async function trySeatbelt(options: TryOptions): Promise<Tried | Unusable> {
  if (process.platform !== "darwin") return { reason: "it needs macOS", foreign: true };
  const { workspaceRoot, toolchains = [], network = "none" } = options;
  const { createSeatbeltSandbox, SANDBOX_EXEC } = await import("./seatbelt.ts");
  if (!existsSync(SANDBOX_EXEC)) return { reason: `there is no \`${SANDBOX_EXEC}\`` };
  const sandbox = createSeatbeltSandbox({ workspaceRoot, toolchains, network });
  const { probeSandbox } = await import("./bubblewrap.ts");
  const probed = await probeSandbox(sandbox);
  if (probed.usable) {
    const limits = describeProcessLimits("seatbelt", { asRoot: false });
    return { sandbox, facts: toFileFacts(SANDBOX_EXEC), limits };
  }
  await sandbox[Symbol.asyncDispose]();
  return { reason: probed.reason };
}

/** Root runs commands as the owner of the workspace. */
function runsAsRoot(workspaceRoot: string): boolean {
  return process.getuid?.() === 0 && statSync(workspaceRoot).uid === 0;
}

/** Which program it is, as far as that shows without reading it. */
function toFileFacts(path: string): TestFacts {
  const { size, mtimeMs } = statSync(path);
  return { path, size, mtimeMs };
}
