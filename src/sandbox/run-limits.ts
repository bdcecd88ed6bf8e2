/** Limits that hold for every command, and the way they are put on it. */
import { randomInt } from "node:crypto";
import { AgentError } from "../core/errors.ts";
import { SANDBOX_LIMITS, type SandboxRunOptions } from "../core/sandbox.ts";

/** Processes and threads of one command together. */
export const MAX_PROCESSES = 128;
export const MAX_OPEN_FILES = 1_024;
export const MAX_FILE_BYTES = 1_024 ** 3;
/** One argument of a program on Linux (MAX_ARG_STRLEN, its closing NUL included). */
const MAX_ARGUMENT_BYTES = 128 * 1_024;

/** Numbers outside the limits become the nearest limit; what is no number becomes the default. */
export function toRunLimits(options: SandboxRunOptions): { timeoutMs: number; memoryMb: number } {
  return {
    timeoutMs: clamp(options.timeoutMs, SANDBOX_LIMITS.timeoutMs),
    memoryMb: clamp(options.memoryMb, SANDBOX_LIMITS.memoryMb),
  };
}

function clamp(value: unknown, limits: { default: number; min: number; max: number }): number {
  if (typeof value !== "number" || Number.isNaN(value)) return limits.default;
  return Math.min(limits.max, Math.max(limits.min, value));
}

export interface CommandLimits {
  memoryMb: number;
  processes?: number;
  /** A mark for all that the command starts, as `createLimitMark` gives it. */
  mark?: LimitMark;
}

/**
 * The limit on resident memory, which Linux no longer obeys but still hands down to every child: getrlimit(2), `RLIMIT_RSS`. Unlike the
 * environment, session and parent nothing ordinary changes it, so it tells whose a process is.
 */
export interface LimitMark {
  kilobytes: number;
}

/** Each one is different, and far more memory than there is. */
export function createLimitMark(): LimitMark {
  return { kilobytes: 2 ** 41 + randomInt(2 ** 41) };
}

/** What a shell does first; it ends with `;` and fails nowhere. */
export function toLimitLine({ memoryMb, processes, mark }: CommandLimits): string {
  const limits = [
    "ulimit -c 0",
    `ulimit -f ${MAX_FILE_BYTES / 512}`,
    `ulimit -n ${MAX_OPEN_FILES}`,
    `ulimit -d ${memoryMb * 2 * 1_024}`,
    // The letter differs between shells: `u` in bash, `p` in dash and busybox.
    ...(mark === undefined ? [] : [`ulimit -m ${mark.kilobytes}`]),
    ...(processes === undefined ? [] : [`ulimit -u ${processes} || ulimit -p ${processes}`]),
  ];
  return `{ ${limits.join("; ")}; :; } 2>/dev/null;`;
}

/**
 * The argument list that puts the limits on a command and becomes it. `ulimit` is used because every `sh` has it. Memory is
 * watched over the whole tree elsewhere; the data limit here is a second fence per process, and twice as wide because it counts
 * memory that was asked for and never touched. A limit on address space would keep Node and Go programs from starting.
 */
export function toLimitedCommand(command: string | readonly string[], limits: CommandLimits): string[] {
  const limit = toLimitLine(limits);
  const program = toProgram(command);
  // Before the line and on the same one, so that a second shell is spared and the numbers of lines stay as they are.
  const line = typeof command === "string" ? `${limit} ${command}` : "";
  return line !== "" && Buffer.byteLength(line) < MAX_ARGUMENT_BYTES
    ? ["/bin/sh", "-c", line]
    : ["/bin/sh", "-c", `${limit} exec "$@"`, "sh", ...program];
}

/** A command as a program and its arguments, for a place that sets the limits itself. Throws like `toLimitedCommand`. */
export function toProgram(command: string | readonly string[]): string[] {
  const program = typeof command === "string" ? ["/bin/sh", "-c", command] : [...command];
  checkArguments(program);
  return program;
}

function checkArguments(program: readonly string[]): void {
  if (program[0] === undefined || program[0] === "") {
    throw new AgentError("usage", "The command is empty; give a shell line or a program with its arguments.");
  }
  for (const argument of program) {
    if (argument.includes("\0")) {
      throw new AgentError(
        "usage",
        "The command holds a NUL character, which no program can be given; leave it out.",
      );
    }
    if (Buffer.byteLength(argument) >= MAX_ARGUMENT_BYTES) {
      throw new AgentError(
        "usage",
        `The command has an argument of ${Buffer.byteLength(argument)} bytes; at most ${MAX_ARGUMENT_BYTES - 1} fit. Write it to a file first.`,
      );
    }
  }
}
