/** What holds a command back where it runs, for people: the limits in force and what enforces each. */
import { SANDBOX_LIMITS, type SandboxBackend } from "../core/sandbox.ts";
import type { DockerLimits } from "./docker/index.ts";
import { MAX_FILE_BYTES, MAX_OPEN_FILES, MAX_PROCESSES } from "./run-limits.ts";

export interface SandboxLimit {
  name: string;
  value: string;
  /** What enforces it; `undefined` when nothing does here. */
  by: string | undefined;
}

const { timeoutMs, memoryMb } = SANDBOX_LIMITS;
const memory = `${memoryMb.default} MB, at most ${memoryMb.max}`;
const time: SandboxLimit = {
  name: "time",
  value: `${timeoutMs.default / 1_000} s, at most ${timeoutMs.max / 1_000}`,
  by: "the agent",
};

/** `real`: what the engine's kernel lets it set. */
export function describeDockerLimits(real: DockerLimits): readonly SandboxLimit[] {
  const byEngine = (is: boolean): string | undefined => (is ? "the kernel (cgroup)" : undefined);
  return [
    time,
    { name: "memory", value: memory, by: byEngine(real.memory) },
    { name: "swap", value: "none", by: byEngine(real.swap) },
    { name: "processes", value: String(MAX_PROCESSES), by: byEngine(real.pids) },
    { name: "open files", value: `${MAX_OPEN_FILES} a process`, by: "the kernel (rlimit)" },
    { name: "/tmp", value: "64 MB", by: "the kernel (tmpfs)" },
    { name: "processor", value: "0.9 of a core", by: byEngine(real.cpu) },
  ];
}

/** The limits of backends that run their commands as processes of this machine. `asRoot`: commands run as root. */
export function describeProcessLimits(
  backend: Exclude<SandboxBackend, "docker">,
  { asRoot }: { asRoot: boolean },
): readonly SandboxLimit[] {
  const isBubblewrap = backend === "bubblewrap";
  const byKernel = "the kernel (rlimit)";
  return [
    time,
    {
      name: "memory",
      value: memory,
      by: "the agent, by watching; the kernel for twice as much in one process",
    },
    {
      name: "processes",
      value: String(MAX_PROCESSES),
      by: isBubblewrap && !asRoot ? byKernel : "the agent, by watching",
    },
    { name: "file size", value: `${MAX_FILE_BYTES / 1024 ** 2} MB`, by: byKernel },
    { name: "open files", value: `${MAX_OPEN_FILES} a process`, by: byKernel },
    isBubblewrap
      ? { name: "/tmp", value: "64 MB", by: "the kernel (tmpfs)" }
      : { name: "/tmp", value: "as much as the disk holds", by: undefined },
    { name: "processor", value: "all cores", by: undefined },
  ];
}
