/**
 * The processes of a command where there is no `/proc`, by ps(1) of macOS. Looking costs some ten milliseconds, so a look runs beside
 * everything else and what it finds is a little old. A process that leaves its group and loses its parent between two looks is not
 * found: without namespaces there is no way to hold on to it.
 */
import { execFile, execFileSync } from "node:child_process";

const PS = "/bin/ps";
const PS_ARGUMENTS = ["-axo", "pid=,ppid=,pgid=,rss=,stat=,lstart="];
const PS_OPTIONS = {
  env: { LC_ALL: "C" },
  encoding: "utf8",
  maxBuffer: 16 * 1024 * 1024,
  timeout: 5_000,
} as const;

/** How often what is left is ended, and for how long at most. */
const SWEEP_ROUNDS = 50;
const SWEEP_PAUSE_MS = 20;
const KILL_PAUSE_MS = 200;

export interface ListedProcess {
  pid: number;
  parent: number;
  group: number;
  memoryBytes: number;
  /** When it started, in words; with it a number that was given to another process is told apart. */
  started: string;
}

/** What `ps` printed; left out are lines that are none, and dead processes that nobody has collected. */
export function parseProcessList(text: string): ListedProcess[] {
  return text.split("\n").flatMap((line) => {
    const found = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([^Z\s]\S*)\s+(\S.*?)\s*$/.exec(line);
    if (found === null) return [];
    const [pid, parent, group, kilobytes] = found.slice(1, 5).map(Number) as [number, number, number, number];
    return [{ pid, parent, group, memoryBytes: kilobytes * 1_024, started: found[6]! }];
  });
}

/** One command's processes from its start to its end. */
export interface CommandTree {
  members(pid: number): readonly number[];
  /** Memory in use by these processes. What they share is counted for each of them. */
  measure(pids: readonly number[]): number;
  kill(pid: number): void;
  sweep(pid: number): Promise<void>;
}

export function createCommandTree(): CommandTree {
  let rows: readonly ListedProcess[] = [];
  let looking = false;
  let killedMs = -Infinity;
  /** All that ever belonged to the command. */
  const seen = new Map<number, string>();
  const note = (found: readonly ListedProcess[], pid: number): void => {
    rows = found;
    for (const each of findMembers(found, pid, seen)) seen.set(each.pid, each.started);
  };
  const look = (pid: number): void => {
    if (looking) return;
    looking = true;
    execFile(PS, PS_ARGUMENTS, PS_OPTIONS, (error, text) => {
      looking = false;
      if (error === null) note(parseProcessList(text), pid);
    });
  };
  const killAll = (pid: number): number => {
    kill(-pid);
    note(listNow(), pid);
    const left = findMembers(rows, pid, seen);
    for (const each of left) kill(each.pid);
    return left.length;
  };
  return {
    members(pid) {
      look(pid);
      return findMembers(rows, pid, seen).map((each) => each.pid);
    },
    measure: (pids) =>
      rows.reduce((sum, each) => (pids.includes(each.pid) ? sum + each.memoryBytes : sum), 0),
    kill(pid) {
      kill(-pid);
      // Called again and again until it works; the look is what takes long.
      if (performance.now() - killedMs < KILL_PAUSE_MS) return;
      killAll(pid);
      killedMs = performance.now();
    },
    async sweep(pid) {
      for (let round = 0; round < SWEEP_ROUNDS && killAll(pid) > 0; round += 1) {
        await new Promise((resolve) => {
          setTimeout(resolve, SWEEP_PAUSE_MS);
        });
      }
    },
  };
}

/** The group, what descends from it, and what has been seen before. */
function findMembers(
  rows: readonly ListedProcess[],
  pid: number,
  seen: ReadonlyMap<number, string>,
): ListedProcess[] {
  const found = new Map<number, ListedProcess>();
  const belongs = (row: ListedProcess): boolean =>
    row.pid === pid || row.group === pid || found.has(row.parent) || seen.get(row.pid) === row.started;
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const row of rows) if (row.pid !== process.pid && belongs(row)) found.set(row.pid, row);
  }
  return [...found.values()];
}

function listNow(): ListedProcess[] {
  try {
    return parseProcessList(
      execFileSync(PS, PS_ARGUMENTS, { ...PS_OPTIONS, stdio: ["ignore", "pipe", "ignore"] }),
    );
  } catch {
    return [];
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Already gone.
  }
}
