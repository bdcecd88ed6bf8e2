/**
 * The policy as a classic BPF program for seccomp(2): the array of `struct sock_filter` that `bwrap --seccomp` reads. The kernel hands it
 * a `struct seccomp_data`: number of the call, architecture, address, six arguments of 64 bits, all little-endian here.
 */
import { CONDITIONAL, ENOSYS, EPERM, MISSING, REFUSED, type ArgumentTest, type Way } from "./policy.ts";
import { readSyscallTable, type SeccompArch } from "./syscalls.ts";

/** `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_AARCH64` of linux/audit.h. */
const AUDIT_ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;

const NUMBER_AT = 0;
const ARCH_AT = 4;
const ARGUMENTS_AT = 16;

const LOAD = 0x20;
const AND = 0x54;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const RETURN = 0x06;

const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const FAIL = 0x0005_0000;

/** Code, jump if true, jump if false (both counted from the next instruction), constant. */
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, constant: number];

export function toSeccompProgram(arch: SeccompArch): Uint8Array {
  const table = readSyscallTable(arch);
  const known = (name: string): number[] => (table.has(name) ? [table.get(name)!] : []);
  const last = Math.max(...table.values());
  return toBytes([
    [LOAD, 0, 0, ARCH_AT],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[arch]],
    [RETURN, 0, 0, KILL_PROCESS],
    [LOAD, 0, 0, NUMBER_AT],
    // Calls later than the table, and those of x32, which are the same calls with bit 30 set.
    [JUMP_GREATER, 0, 1, last],
    [RETURN, 0, 0, FAIL | ENOSYS],
    ...toRefusal(MISSING.flatMap(known), ENOSYS),
    ...toRefusal(REFUSED.flatMap(known), EPERM),
    ...Object.entries(CONDITIONAL).flatMap(([name, ways]) =>
      known(name).flatMap((number) => toCondition(number, ways)),
    ),
    [RETURN, 0, 0, ALLOW],
  ]);
}

function toRefusal(numbers: readonly number[], errno: number): Instruction[] {
  const jumps = numbers.map((number, index): Instruction => {
    const toEnd = numbers.length - index - 1;
    return [JUMP_EQUAL, toEnd, toEnd === 0 ? 1 : 0, number];
  });
  return [...jumps, [RETURN, 0, 0, FAIL | errno]];
}

function toCondition(number: number, ways: readonly Way[]): Instruction[] {
  const body: Instruction[] = [...ways.flatMap(toWay), [RETURN, 0, 0, FAIL | EPERM]];
  return [[JUMP_EQUAL, 0, body.length, number], ...body];
}

/** Allows the call, or goes on behind itself. */
function toWay(tests: Way): Instruction[] {
  return tests.reduceRight<Instruction[]>(
    (rest, test) => [...toTest(test, rest.length), ...rest],
    [[RETURN, 0, 0, ALLOW]],
  );
}

function toTest(test: ArgumentTest, skip: number): Instruction[] {
  if ("nullPointer" in test) {
    const at = ARGUMENTS_AT + 8 * test.nullPointer;
    return [
      [LOAD, 0, 0, at],
      [JUMP_EQUAL, 0, skip + 2, 0],
      [LOAD, 0, 0, at + 4],
      [JUMP_EQUAL, 0, skip, 0],
    ];
  }
  const { argument, mask, equals } = test;
  return [
    [LOAD, 0, 0, ARGUMENTS_AT + 8 * argument],
    [AND, 0, 0, mask >>> 0],
    [JUMP_EQUAL, 0, skip, equals],
  ];
}

function toBytes(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, [code, ifTrue, ifFalse, constant]] of program.entries()) {
    // Jumps are one byte; a policy that outgrows them must not wrap around.
    if (ifTrue > 255 || ifFalse > 255) throw new RangeError("a jump of the filter is too long");
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, ifTrue);
    view.setUint8(index * 8 + 3, ifFalse);
    view.setUint32(index * 8 + 4, constant >>> 0, true);
  }
  return bytes;
}
