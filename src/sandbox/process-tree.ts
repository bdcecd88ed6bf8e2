/**
 * What Linux tells about running processes, read synchronously from `/proc` because it is quick there and must not interleave with
 * processes being made. Elsewhere every list is empty and every size zero.
 */
import { existsSync } from "node:fs";
import { listNames, readText } from "../processes/proc-files.ts";

/** `pid` and the processes below it: all of them, or a few more than `most`, since a storm grows as quickly as it is read. */
export function readTree(pid: number, most = Infinity): number[] {
  const found = [pid];
  for (let index = 0; index < found.length && found.length <= most; index += 1)
    found.push(...readChildren(found[index]!));
  return found;
}

export function readChildren(pid: number): number[] {
  if (!listsChildren()) return readProcesses().flatMap((row) => (row.parent === pid ? [row.pid] : []));
  return listNames(`/proc/${pid}/task`).flatMap((thread) =>
    toPids(readText(`/proc/${pid}/task/${thread}/children`)),
  );
}

let childrenListed: boolean | undefined;

/** Some kernels are built without the lists of children. */
function listsChildren(): boolean {
  childrenListed ??= existsSync(`/proc/self/task/${process.pid}/children`);
  return childrenListed;
}

function toPids(text: string): number[] {
  return text.split(" ").filter(Boolean).map(Number);
}

export interface ProcessRow {
  pid: number;
  parent: number;
  session: number;
}

/** How many tasks (processes and threads) the machine has: proc(5), `/proc/loadavg`. */
export function countTasks(): number | undefined {
  const count = /\/(\d+) /.exec(readText("/proc/loadavg"))?.[1];
  return count === undefined ? undefined : Number(count);
}

/** Ids of every process that can be seen. */
export function readProcessIds(): number[] {
  return listNames("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Processes that can be seen, at most so many; left out are those of `except` and dead ones that nobody has collected. */
export function readProcesses(except?: ReadonlySet<number>, most = Infinity): ProcessRow[] {
  const pids = readProcessIds().filter((pid) => !except?.has(pid));
  return (pids.length > most ? pids.slice(0, most) : pids).flatMap(readRow);
}

function readRow(pid: number): ProcessRow[] {
  const stat = readText(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything, closing parentheses too.
  const [state, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (state === undefined || state === "" || state === "Z") return [];
  return [{ pid, parent: Number(parent), session: Number(session) }];
}

export function isRunning(pid: number): boolean {
  return readRow(pid).length > 0;
}

/** Whether a process was started with this `NAME=value` in its environment. False where we may not look. */
export function hasInEnvironment(pid: number, assignment: string): boolean {
  return `\0${readText(`/proc/${pid}/environ`)}`.includes(`\0${assignment}\0`);
}

/** Whether a process has exactly this limit on resident memory: proc(5), `/proc/pid/limits`, which everybody may read. */
export function hasResidentLimit(pid: number, bytes: number): boolean {
  const limit = /^Max resident set +\d+ +(\d+) /m.exec(readText(`/proc/${pid}/limits`))?.[1];
  return limit === String(bytes);
}

/**
 * Memory that ends with these processes, in bytes. A quick sum counts what parent and child share twice, so a sum over `limit` is
 * counted again with shared parts split, where the system lets us.
 */
export function measureMemory(pids: readonly number[], limit: number): number {
  const quick = sum(pids.map(readOwnMemory));
  return quick <= limit ? quick : sum(pids.map((pid) => readSplitMemory(pid) ?? readOwnMemory(pid)));
}

function readOwnMemory(pid: number): number {
  const status = readText(`/proc/${pid}/status`);
  return sumFields(status, /^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB/gm);
}

function readSplitMemory(pid: number): number | undefined {
  const rollup = readText(`/proc/${pid}/smaps_rollup`);
  return rollup === "" ? undefined : sumFields(rollup, /^(?:Pss_Anon|Pss_Shmem|SwapPss):\s+(\d+) kB/gm);
}

function sumFields(text: string, field: RegExp): number {
  return sum([...text.matchAll(field)].map(([, kilobytes]) => Number(kilobytes) * 1_024));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
