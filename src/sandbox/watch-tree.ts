import { countTasks, measureMemory } from "./process-tree.ts";

const LONGEST_PAUSE_MS = 100;
const SHORTEST_PAUSE_MS = 5;
/** A pause lasts so many times as long as a look. */
const LOOK_SHARE = 4;
/** A processor fills memory about this quickly; the pause ends before the rest could be filled. */
const FILL_BYTES_PER_MS = 4 * 1_024 * 1_024;
/** Between two questions how many tasks the machine has, which costs next to nothing. */
const COUNT_PAUSE_MS = 2;

export type Verdict = "memory" | "processes";

export interface TreeLimits {
  /** The processes of the tree; when they are more than `most`, some of them will do. */
  members: (most: number) => readonly number[];
  memoryBytes: number;
  /** Only where the system does not limit the number itself. */
  processes?: number | undefined;
  /** What the system itself found wrong. */
  verdict?: (() => Verdict | undefined) | undefined;
  onExceeded: (what: Verdict) => void;
}

/** Looks at a tree of processes from time to time, more often when it is near its limit. Returns the way to stop. */
export function watchTree({
  members,
  memoryBytes,
  processes = Infinity,
  verdict,
  onExceeded,
}: TreeLimits): () => void {
  let timer = setTimeout(look, pauseMs(memoryBytes, processes));
  const unwatch = processes === Infinity ? () => {} : watchTasks(processes, checkNumber);
  function checkNumber(): number {
    const number = members(processes).length;
    if (number > processes) onExceeded("processes");
    return number;
  }
  function look(): void {
    const started = performance.now();
    const found = verdict?.();
    if (found !== undefined) return onExceeded(found);
    const pids = members(processes);
    if (pids.length > processes) return onExceeded("processes");
    const used = measureMemory(pids, memoryBytes);
    if (used > memoryBytes) return onExceeded("memory");
    // Looking must not itself become the load.
    const shortest = (performance.now() - started) * LOOK_SHARE;
    timer = setTimeout(look, Math.max(shortest, pauseMs(memoryBytes - used, processes)));
  }
  return () => {
    unwatch();
    clearTimeout(timer);
  };
}

function pauseMs(freeBytes: number, processes: number): number {
  const longest = processes === Infinity ? LONGEST_PAUSE_MS : LONGEST_PAUSE_MS / 4;
  return Math.min(longest, Math.max(SHORTEST_PAUSE_MS, freeBytes / FILL_BYTES_PER_MS));
}

/**
 * A storm of processes is there in milliseconds: has the machine so many more tasks that the tree may be over its limit, it is counted
 * at once. `count` gives the number in the tree.
 */
function watchTasks(processes: number, count: () => number): () => void {
  let before = countTasks();
  if (before === undefined) return () => {};
  let missing = processes;
  const timer = setInterval(() => {
    const now = countTasks() ?? 0;
    if (before === undefined || now - before < missing) return;
    before = now;
    missing = Math.max(1, processes + 1 - count());
  }, COUNT_PAUSE_MS);
  return () => clearInterval(timer);
}
