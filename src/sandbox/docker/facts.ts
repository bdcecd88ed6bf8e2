/** What an engine tells of itself: for whom it works and which limits it can really set. */
import { arch as ownArch } from "node:os";
import { AgentError } from "../../core/errors.ts";
import type { SeccompArch } from "../seccomp/index.ts";
import type { DockerEngine } from "../../docker/engine.ts";

/** Which limits the engine's kernel lets it set. */
export interface DockerLimits {
  memory: boolean;
  /** Whether swap is limited too; without, a command can use swap beyond its memory. */
  swap: boolean;
  pids: boolean;
  cpu: boolean;
  seccomp: boolean;
}

export interface DockerFacts {
  /** Changes with the engine, its version and its kernel. */
  identity: string;
  arch: SeccompArch;
  /** The engine runs as an ordinary user, who is root inside. */
  rootless: boolean;
  hasCgroupNamespaces: boolean;
  limits: DockerLimits;
}

const ARCHITECTURES: Readonly<Record<string, SeccompArch>> = {
  x86_64: "x64",
  amd64: "x64",
  aarch64: "arm64",
  arm64: "arm64",
};

/** API 1.41 came with Docker 20.10. */
const CGROUP_NAMESPACES_SINCE = 1.41;

/** Throws `AgentError` `sandbox_unavailable` for an engine that does not answer as one or cannot be used. */
export async function readDockerFacts(engine: DockerEngine): Promise<DockerFacts> {
  const [info, version] = await Promise.all([
    engine.ask({ to: "describe itself" }, () => engine.docker.info()),
    engine.ask({ to: "tell its version" }, () => engine.docker.version()),
  ]);
  return toFacts(engine, toFields(info), toFields(version));
}

type Fields = Readonly<Record<string, unknown>>;

function toFields(answer: unknown): Fields {
  return typeof answer === "object" && answer !== null ? (answer as Fields) : {};
}

function toFacts(engine: DockerEngine, info: Fields, version: Fields): DockerFacts {
  const system = info["OSType"];
  if (typeof version["ApiVersion"] !== "string" || typeof system !== "string")
    throw engine.fail("did not answer as one");
  if (system !== "linux") throw engine.fail(`runs \`${system}\` containers; switch it to Linux containers`);
  const security = toTexts(info["SecurityOptions"]);
  if (has(security, "userns")) {
    throw engine.fail(
      "gives containers other user numbers (`userns-remap`), so files of the workspace would not be writable; turn that off or use another backend",
    );
  }
  return {
    identity: [info["ID"], info["ServerVersion"], info["KernelVersion"], ...security].map(String).join(" "),
    arch: toArch(info["Architecture"]),
    rootless: has(security, "rootless"),
    hasCgroupNamespaces: isSince(version["ApiVersion"], CGROUP_NAMESPACES_SINCE),
    limits: {
      memory: info["MemoryLimit"] === true,
      swap: info["SwapLimit"] === true,
      pids: info["PidsLimit"] === true,
      cpu: info["CpuCfsQuota"] === true,
      seccomp: has(security, "seccomp"),
    },
  };
}

function toTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/** Entries have the form `name=seccomp,profile=default`. */
function has(security: readonly string[], name: string): boolean {
  return security.some((entry) => entry.split(",").includes(`name=${name}`));
}

function isSince(version: string, since: number): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [sinceMajor = 0, sinceMinor = 0] = String(since).split(".").map(Number);
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor);
}

function toArch(named: unknown): SeccompArch {
  const arch = ARCHITECTURES[String(named)] ?? ARCHITECTURES[ownArch()];
  if (arch !== undefined) return arch;
  throw new AgentError(
    "sandbox_unavailable",
    `The Docker engine runs on \`${String(named)}\`, for which there is no filter of system calls; only x86_64 and aarch64 have one.`,
    { data: { backend: "docker" } },
  );
}

/** What a missing limit means, for the user. */
export function toLimitWarnings(limits: DockerLimits): string[] {
  const missing: readonly [keyof DockerLimits, string][] = [
    ["memory", "Docker cannot limit memory on this machine"],
    ["swap", "Docker cannot limit swap on this machine: a command can use more than its memory limit"],
    ["pids", "Docker cannot limit the number of processes on this machine"],
    ["cpu", "Docker cannot limit processor time on this machine"],
    ["seccomp", "Docker cannot filter system calls on this machine"],
  ];
  return missing.flatMap(([limit, warning]) => (limits[limit] ? [] : [warning]));
}
