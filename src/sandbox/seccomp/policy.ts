/**
 * What commands may not ask of the kernel. One policy, given out as a program for bubblewrap (bpf.ts) and as a profile for Docker
 * (docker-profile.ts). What is not named here is allowed, as far as the kernel we know goes; later calls do not exist inside.
 */

/** `errno` of a refusal: not permitted. */
export const EPERM = 1;
/** `errno` of a call that does not exist, upon which programs fall back to an older one. */
export const ENOSYS = 38;

/** Holds when the low 32 bits of the argument, masked, equal the value: the kernel looks at no others of these arguments. */
export interface MaskTest {
  argument: number;
  mask: number;
  equals: number;
}

/** Holds when the argument is a null pointer: all of its 64 bits. */
export interface NullTest {
  nullPointer: number;
}

export type ArgumentTest = MaskTest | NullTest;

/** A call is let through when every test of one of the ways holds. */
export type Way = readonly ArgumentTest[];

/** Never allowed. Most need privileges that commands do not have anyway; the rest reach other processes or much of the kernel. */
export const REFUSED: readonly string[] = [
  // Other processes.
  "ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp",
  // Keys, tracing, and parts of the kernel that are attacked more than they are used.
  "add_key keyctl request_key bpf perf_event_open userfaultfd lookup_dcookie",
  "io_uring_setup io_uring_enter io_uring_register fanotify_init fanotify_mark",
  "mbind set_mempolicy get_mempolicy set_mempolicy_home_node migrate_pages move_pages",
  // Files by their handle, past every path.
  "open_by_handle_at",
  // The mount family, and other roots and namespaces.
  "mount umount2 pivot_root chroot fsopen fsmount fsconfig fspick move_mount open_tree mount_setattr",
  "setns quotactl quotactl_fd nfsservctl swapon swapoff",
  // The machine itself.
  "kexec_load kexec_file_load init_module finit_module delete_module create_module query_module get_kernel_syms",
  "reboot settimeofday clock_settime acct vhangup syslog iopl ioperm modify_ldt uselib ustat sysfs _sysctl vserver",
  "sethostname setdomainname lsm_set_self_attr",
].flatMap((names) => names.split(" "));

/** Their arguments lie in memory, where no filter can look. Programs fall back to calls whose arguments can be seen. */
export const MISSING: readonly string[] = ["clone3", "openat2", "fchmodat2"];

const WHOLE = 0xffff_ffff;
const SET_ID_BITS = 0o6000;
const FILE_TYPE = 0o170_000;
/** `O_CREAT`, and `__O_TMPFILE` without the `O_DIRECTORY` that goes with it: only with one of them is there a mode. */
const MAKES_FILE = 0o100 | 0o20_000_000;
/** `CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}` of clone(2). */
const NEW_NAMESPACE = 0x7e02_0000;
/** Only `unshare` has it at this place; in `clone` it is part of a signal's number. */
const NEW_TIME_NAMESPACE = 0x80;
const FAMILY = { unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;
const NETLINK_ROUTE = 0;
/** Ways to type into a terminal, which may be that of the agent: ioctl_tty(2), `TIOCSTI` and `TIOCLINUX`. */
const TYPING = [0x5412, 0x541c] as const;
/** Linux itself, 32 bits of addresses, an older version number, both, and asking: what Docker allows too. See personality(2). */
const PERSONALITIES = [0, 0x8, 0x2_0000, 0x2_0008, WHOLE] as const;

/** Allowed in some ways only; refused with `EPERM` in all others. */
export const CONDITIONAL: Readonly<Record<string, readonly Way[]>> = {
  clone: [[isClear(0, NEW_NAMESPACE)]],
  unshare: [[isClear(0, NEW_NAMESPACE | NEW_TIME_NAMESPACE)]],
  socket: [
    [is(0, FAMILY.unix)],
    [is(0, FAMILY.inet)],
    [is(0, FAMILY.inet6)],
    // The C library lists addresses with it.
    [is(0, FAMILY.netlink), is(2, NETLINK_ROUTE)],
  ],
  socketpair: [[is(0, FAMILY.unix)]],
  // A file that gives its owner's rights to whoever runs it must not be left behind on the machine. Folders lose these bits anyway.
  chmod: [[isClear(1, SET_ID_BITS)]],
  fchmod: [[isClear(1, SET_ID_BITS)]],
  fchmodat: [[isClear(2, SET_ID_BITS)]],
  creat: [[isClear(1, SET_ID_BITS)]],
  open: [[isClear(2, SET_ID_BITS)], [isClear(1, MAKES_FILE)]],
  openat: [[isClear(3, SET_ID_BITS)], [isClear(2, MAKES_FILE)]],
  mknod: makesNoDevice(1),
  mknodat: makesNoDevice(2),
  ioctl: isNeither(1, TYPING),
  personality: PERSONALITIES.map((value) => [is(0, value)]),
  // One's own limits, and to read those of others: what runs the next command may be a process of the same user.
  prlimit64: [[is(0, 0)], [{ nullPointer: 2 }]],
};

function is(argument: number, equals: number): MaskTest {
  return { argument, mask: WHOLE, equals };
}

function isClear(argument: number, mask: number): MaskTest {
  return { argument, mask, equals: 0 };
}

/** Ordinary files, pipes and sockets, without the bits above. Type 0 means an ordinary file. */
function makesNoDevice(argument: number): Way[] {
  return [0, 0o100_000, 0o010_000, 0o140_000].map((type) => [
    { argument, mask: FILE_TYPE | SET_ID_BITS, equals: type },
  ]);
}

/** Docker's tests know no "neither", so all other values are put together: one bit is different from both, or one of the rest. */
function isNeither(argument: number, [one, other]: readonly [number, number]): Way[] {
  const differing = (one ^ other) >>> 0;
  const bits = Array.from({ length: 32 }, (_, index) => (1 << index) >>> 0);
  const shared = bits.filter((bit) => (differing & bit) === 0);
  const outside = shared.map((bit): Way => [{ argument, mask: bit, equals: (~one & bit) >>> 0 }]);
  const inside = subsets(bits.filter((bit) => (differing & bit) !== 0))
    .map((subset) => ((one & ~differing) | subset) >>> 0)
    .filter((value) => value !== one && value !== other);
  return [...outside, ...inside.map((value): Way => [is(argument, value)])];
}

function subsets(bits: readonly number[]): number[] {
  return bits.reduce<number[]>((found, bit) => [...found, ...found.map((each) => each | bit)], [0]);
}
