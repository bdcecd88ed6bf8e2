import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  toDockerSeccompProfile,
  toSeccompProgram,
  type SeccompArch,
} from "../../src/sandbox/seccomp/index.ts";
import { readSyscallTable } from "../../src/sandbox/seccomp/syscalls.ts";

const AUDIT_ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7, x86: 0x4000_0003, arm: 0x4000_0028 } as const;
const ARCHITECTURES = ["x64", "arm64"] as const;

interface Call {
  number: number;
  arch?: number;
  /** 64 bits each. */
  arguments?: readonly (number | bigint)[];
}

/** What the kernel's interpreter of classic BPF does, for the instructions that seccomp(2) lets a filter use. */
function runFilter(
  program: Uint8Array,
  { number, arch = AUDIT_ARCH.x64, arguments: args = [] }: Call,
): string {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number >>> 0, true);
  data.setUint32(4, arch, true);
  for (const [index, value] of args.entries())
    data.setBigUint64(16 + 8 * index, BigInt.asUintN(64, BigInt(value)), true);
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at += 1) {
    const [code, ifTrue, ifFalse, constant] = [
      view.getUint16(at * 8, true),
      view.getUint8(at * 8 + 2),
      view.getUint8(at * 8 + 3),
      view.getUint32(at * 8 + 4, true),
    ];
    if (code === 0x20) accumulator = data.getUint32(constant, true);
    else if (code === 0x54) accumulator = (accumulator & constant) >>> 0;
    else if (code === 0x15) at += accumulator === constant ? ifTrue : ifFalse;
    else if (code === 0x25) at += accumulator > constant ? ifTrue : ifFalse;
    else if (code === 0x06) return toVerdict(constant);
    else throw new Error(`the kernel would refuse instruction ${code.toString(16)}`);
  }
  throw new Error("the filter ends without a verdict");
}

function toVerdict(value: number): string {
  if (value === 0x7fff_0000) return "allow";
  if (value === 0x8000_0000) return "kill";
  if (value >>> 16 === 5) return { 1: "EPERM", 38: "ENOSYS" }[value & 0xffff] ?? `errno ${value & 0xffff}`;
  throw new Error(`no verdict: ${value.toString(16)}`);
}

function toAsk(arch: SeccompArch) {
  const program = toSeccompProgram(arch);
  const table = readSyscallTable(arch);
  return (name: string, ...args: (number | bigint)[]): string => {
    const number = table.get(name);
    if (number === undefined) throw new Error(`${arch} has no ${name}`);
    return runFilter(program, { number, arch: AUDIT_ARCH[arch], arguments: args });
  };
}

describe("numbers of system calls", () => {
  it("are those that programs for each architecture use", () => {
    const [x64, arm64] = ARCHITECTURES.map(readSyscallTable);
    expect(
      ["read", "openat", "clone", "ptrace", "chmod", "io_uring_setup", "mseal"].map((name) => x64?.get(name)),
    ).toEqual([0, 257, 56, 101, 90, 425, 462]);
    expect(
      ["read", "openat", "clone", "ptrace", "chmod", "io_uring_setup", "mseal"].map((name) =>
        arm64?.get(name),
      ),
    ).toEqual([63, 56, 220, 117, undefined, 425, 462]);
  });

  const header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
  it.runIf(existsSync(header))("agree with the kernel's headers for x64", () => {
    const table = readSyscallTable("x64");
    const defined = [...readFileSync(header, "utf8").matchAll(/^#define __NR_(\w+) (\d+)$/gm)];
    expect(defined.length).toBeGreaterThan(300);
    // Headers later than the table know more.
    const differing = defined.filter(
      ([, name, number]) => Number(number) <= 462 && table.get(name!) !== Number(number),
    );
    expect(differing.map(([line]) => line)).toEqual([]);
  });

  const generic = "/usr/include/asm-generic/unistd.h";
  it.runIf(existsSync(generic))("agree with the kernel's headers for arm64", () => {
    const numbers = new Set([...readSyscallTable("arm64")].map(([name, number]) => `${name} ${number}`));
    const defined = [...readFileSync(generic, "utf8").matchAll(/^#define __NR_(\w+) (\d+)$/gm)];
    expect(defined.length).toBeGreaterThan(250);
    // Left out: calls of 32 bits and of other architectures, where those of single ones begin, and how many there are.
    const isShort = (number: string): boolean => Number(number) >= 403 && Number(number) <= 423;
    const others = new Set(["arch_specific_syscall", "sync_file_range2", "syscalls"]);
    const missing = defined.filter(
      ([, name, number]) =>
        !others.has(name!) && !isShort(number!) && Number(number) <= 462 && !numbers.has(`${name} ${number}`),
    );
    expect(missing.map(([line]) => line)).toEqual([]);
  });
});

describe.each(ARCHITECTURES)("the filter for %s", (arch) => {
  const ask = toAsk(arch);
  const program = toSeccompProgram(arch);

  it("ends programs that call as another architecture", () => {
    for (const other of Object.values(AUDIT_ARCH)) {
      const verdict = runFilter(program, { number: readSyscallTable(arch).get("read")!, arch: other });
      expect(verdict).toBe(other === AUDIT_ARCH[arch] ? "allow" : "kill");
    }
  });

  it("knows no calls beyond its table, in x32 neither", () => {
    for (const number of [463, 470, 1_000, 0x4000_0000, 0x4000_0000 + 39, 0x4000_0000 + 161, 0xffff_ffff]) {
      expect(runFilter(program, { number, arch: AUDIT_ARCH[arch] })).toBe("ENOSYS");
    }
  });

  it("refuses what reaches other processes, the kernel and the machine", () => {
    const refused =
      "ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp add_key keyctl request_key bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register open_by_handle_at mount umount2 pivot_root chroot fsopen fsmount fsconfig fspick move_mount open_tree mount_setattr setns quotactl kexec_load init_module finit_module delete_module swapon swapoff reboot settimeofday clock_settime acct vhangup lookup_dcookie syslog sethostname fanotify_init";
    for (const name of refused.split(" ")) expect([name, ask(name)]).toEqual([name, "EPERM"]);
  });

  it("lets programs fall back from calls whose arguments it cannot see", () => {
    for (const name of ["clone3", "openat2", "fchmodat2"]) expect(ask(name)).toBe("ENOSYS");
  });

  it("allows what programs do", () => {
    const usual =
      "read write mmap execve exit_group futex epoll_pwait getrandom statx prctl seccomp memfd_create rseq pidfd_open faccessat2 close_range membarrier";
    for (const name of usual.split(" ")) expect([name, ask(name)]).toEqual([name, "allow"]);
  });

  it("lets processes and threads be made, and no namespaces", () => {
    const [sigchld, thread] = [17, 0x003d_0f00];
    expect([ask("clone", sigchld), ask("clone", thread)]).toEqual(["allow", "allow"]);
    for (const bit of [17, 25, 26, 27, 28, 29, 30]) {
      expect([bit, ask("clone", 2 ** bit + sigchld), ask("unshare", 2 ** bit)]).toEqual([
        bit,
        "EPERM",
        "EPERM",
      ]);
    }
    expect([ask("unshare", 0x80), ask("unshare", 0x400)]).toEqual(["EPERM", "allow"]);
  });

  it("opens sockets of the network and of this machine only", () => {
    const verdicts = [1, 2, 10].map((family) => ask("socket", family, 1, 0));
    expect(verdicts).toEqual(["allow", "allow", "allow"]);
    expect([ask("socket", 16, 3, 0), ask("socket", 16, 3, 9)]).toEqual(["allow", "EPERM"]);
    for (let family = 0; family < 64; family += 1) {
      if (![1, 2, 10, 16].includes(family))
        expect([family, ask("socket", family, 1, 0)]).toEqual([family, "EPERM"]);
    }
    expect([ask("socketpair", 1, 1, 0), ask("socketpair", 40, 1, 0)]).toEqual(["allow", "EPERM"]);
  });

  it("looks at as many bits of an argument as the kernel does", () => {
    const high = 1n << 32n;
    expect(ask("ioctl", 0, high + 0x5412n)).toBe("EPERM");
    expect(ask("clone", high + 0x1000_0000n)).toBe("EPERM");
    expect(ask("socket", high + 40n, 1, 0)).toBe("EPERM");
    expect(ask("fchmod", 3, high + 0o4755n)).toBe("EPERM");
    // A negative number is 64 ones to begin with.
    expect(ask("openat", -100, 0, 0, 0)).toBe("allow");
  });

  it("keeps programs from typing into terminals, and from nothing else on them", () => {
    const others = Array.from({ length: 0x80 }, (_, index) => 0x5400 + index).filter(
      (each) => ![0x5412, 0x541c].includes(each),
    );
    expect(others.filter((request) => ask("ioctl", 0, request) !== "allow")).toEqual([]);
    expect(
      [0, 1, 0x8004_5430, 0xffff_ffff, 0xae01].filter((request) => ask("ioctl", 0, request) !== "allow"),
    ).toEqual([]);
    expect([0x5412, 0x541c].map((request) => ask("ioctl", 0, request))).toEqual(["EPERM", "EPERM"]);
  });

  it("lets no file be made that gives its owner's rights away", () => {
    const [create, temporary] = [0o101, 0o20_200_002];
    for (const mode of [0o4755, 0o2755, 0o6777, 0o104_755]) {
      expect(ask("fchmod", 3, mode)).toBe("EPERM");
      expect(ask("fchmodat", -100, 0, mode)).toBe("EPERM");
      expect(ask("openat", -100, 0, create, mode)).toBe("EPERM");
      expect(ask("openat", -100, 0, temporary, mode)).toBe("EPERM");
      expect(ask("mknodat", -100, 0, mode, 0)).toBe("EPERM");
      // Without a file being made there is no mode, only what was in the register.
      expect(ask("openat", -100, 0, 0, mode)).toBe("allow");
    }
    for (const mode of [0, 0o644, 0o755, 0o1777, 0o100_644]) {
      expect([ask("fchmod", 3, mode), ask("openat", -100, 0, create, mode)]).toEqual(["allow", "allow"]);
    }
  });

  it("lets pipes, sockets and files be made, and no devices", () => {
    const types = [0, 0o010_000, 0o100_000, 0o140_000].map((type) =>
      ask("mknodat", -100, 0, type + 0o644, 0),
    );
    expect(types).toEqual(["allow", "allow", "allow", "allow"]);
    expect([0o020_000, 0o060_000].map((type) => ask("mknodat", -100, 0, type + 0o666, 0))).toEqual([
      "EPERM",
      "EPERM",
    ]);
  });

  it("lets programs change their own limits and read those of others", () => {
    const [limit, garbage, pid] = [0x7fff_0000_1000n, 2n ** 40n, 4_321];
    const own = [ask("prlimit64", 0, 7, limit, 0), ask("prlimit64", garbage, 7, limit, limit)];
    expect([...own, ask("prlimit64", pid, 7, 0, limit)]).toEqual(["allow", "allow", "allow"]);
    // The kernel takes the low half of the process id, and the whole of the pointer.
    for (const pointer of [1, 0x1000, limit, 2n ** 32n, 2n ** 63n]) {
      const verdicts = [pid, 1, -1, garbage + 1n].map((each) => ask("prlimit64", each, 7, pointer, 0));
      expect(verdicts).toEqual(["EPERM", "EPERM", "EPERM", "EPERM"]);
    }
  });

  it("leaves the usual personalities", () => {
    expect([0, 8, 0xffff_ffff].map((each) => ask("personality", each))).toEqual(["allow", "allow", "allow"]);
    expect([0x40_000, 0x40_0000, 4].map((each) => ask("personality", each))).toEqual([
      "EPERM",
      "EPERM",
      "EPERM",
    ]);
  });
});

describe("the filter for x64", () => {
  const ask = toAsk("x64");

  it("covers the older calls that arm64 does not have", () => {
    expect([ask("chmod", 0, 0o4755), ask("chmod", 0, 0o755)]).toEqual(["EPERM", "allow"]);
    expect([ask("creat", 0, 0o2755), ask("creat", 0, 0o644)]).toEqual(["EPERM", "allow"]);
    expect([ask("open", 0, 0o102, 0o4755), ask("open", 0, 0, 0o4755), ask("open", 0, 0o102, 0o644)]).toEqual([
      "EPERM",
      "allow",
      "allow",
    ]);
    expect([ask("mknod", 0, 0o60_600, 0), ask("mknod", 0, 0o10_600, 0)]).toEqual(["EPERM", "allow"]);
    for (const name of ["iopl", "ioperm", "modify_ldt", "uselib", "create_module"])
      expect(ask(name)).toBe("EPERM");
  });
});

const PROFILES = { x64: toDockerSeccompProfile("x64"), arm64: toDockerSeccompProfile("arm64") };

/** What libseccomp makes of a profile: the rules of one call are ways to pass, and everything else meets the default. */
function askProfile(arch: SeccompArch, name: string, args: readonly (number | bigint)[]): string {
  const { syscalls, defaultAction, defaultErrnoRet } = PROFILES[arch];
  const rule = syscalls.find(
    ({ names, args: tests = [] }) =>
      names.includes(name) &&
      tests.every(
        ({ index, value, valueTwo, op }) =>
          (BigInt.asUintN(64, BigInt(args[index] ?? 0)) & (op === "SCMP_CMP_EQ" ? ~0n : BigInt(value))) ===
          BigInt(op === "SCMP_CMP_EQ" ? value : valueTwo),
      ),
  );
  if (rule?.action === "SCMP_ACT_ALLOW") return "allow";
  return toVerdict(
    0x5_0000 | (rule?.errnoRet ?? (defaultAction === "SCMP_ACT_ERRNO" ? defaultErrnoRet : -1)),
  );
}

describe.each(ARCHITECTURES)("the profile of Docker for %s", (arch) => {
  it("says of every call what the filter says", () => {
    const ask = toAsk(arch);
    const values = [
      0,
      1,
      2,
      8,
      16,
      0o4755,
      0o20_666,
      0o10_644,
      0o101,
      0x5412,
      0x541c,
      0x1000_0011,
      2n ** 32n + 0x5412n,
      2n ** 32n,
      2n ** 63n,
    ];
    const pairs = values.flatMap((first) => values.map((second) => [first, second, second, first]));
    const conditional = new Set(
      toDockerSeccompProfile(arch).syscalls.flatMap(({ names, args }) => (args === undefined ? [] : names)),
    );
    const names = [...readSyscallTable(arch).keys()];
    const differing = names.filter((name) =>
      (conditional.has(name) ? pairs : [[0, 0, 0, 0]]).some(
        (args) => askProfile(arch, name, args) !== ask(name, ...args),
      ),
    );
    expect([conditional.size > 9, differing]).toEqual([true, []]);
  });

  it("is for this architecture alone", () => {
    expect(toDockerSeccompProfile(arch).architectures).toEqual([
      arch === "x64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64",
    ]);
  });
});
