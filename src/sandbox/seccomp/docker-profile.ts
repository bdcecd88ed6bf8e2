/** The policy as a profile for Docker, in the form of its `profiles/seccomp`, given inline as `seccomp=<JSON>`. */
import { CONDITIONAL, ENOSYS, EPERM, MISSING, REFUSED, type ArgumentTest, type Way } from "./policy.ts";
import { readSyscallTable, type SeccompArch } from "./syscalls.ts";

export interface DockerSeccompProfile {
  defaultAction: "SCMP_ACT_ERRNO";
  defaultErrnoRet: number;
  /** Calls of every other architecture, x32 and 32 bits among them, end the process. */
  architectures: readonly string[];
  syscalls: readonly DockerSeccompRule[];
}

interface DockerSeccompRule {
  names: readonly string[];
  action: "SCMP_ACT_ALLOW" | "SCMP_ACT_ERRNO";
  errnoRet?: number;
  args?: readonly DockerSeccompArgument[];
}

/** Holds when the argument and `value`, taken together bit by bit, are `valueTwo`; or when it is `value`, in all of its 64 bits. */
interface DockerSeccompArgument {
  index: number;
  value: number;
  valueTwo: number;
  op: "SCMP_CMP_MASKED_EQ" | "SCMP_CMP_EQ";
}

const ARCHITECTURE = { x64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" } as const;

/** A list of what is allowed, so that calls which neither we nor the engine know are refused. `arch` is that of the engine's machine. */
export function toDockerSeccompProfile(arch: SeccompArch): DockerSeccompProfile {
  const names = [...readSyscallTable(arch).keys()];
  const treated = new Set([...REFUSED, ...MISSING, ...Object.keys(CONDITIONAL)]);
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    architectures: [ARCHITECTURE[arch]],
    syscalls: [
      { names: names.filter((name) => !treated.has(name)), action: "SCMP_ACT_ALLOW" },
      { names: MISSING, action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      ...names.flatMap((name) => (CONDITIONAL[name] ?? []).map((way) => toRule(name, way))),
    ],
  };
}

function toRule(name: string, way: Way): DockerSeccompRule {
  return {
    names: [name],
    action: "SCMP_ACT_ALLOW",
    args: way.map(toArgument),
  };
}

function toArgument(test: ArgumentTest): DockerSeccompArgument {
  if ("nullPointer" in test) return { index: test.nullPointer, value: 0, valueTwo: 0, op: "SCMP_CMP_EQ" };
  const { argument, mask, equals } = test;
  return { index: argument, value: mask >>> 0, valueTwo: equals >>> 0, op: "SCMP_CMP_MASKED_EQ" };
}
