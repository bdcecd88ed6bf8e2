/**
 * Control groups, where this process may make some: the kernel then counts what looking at processes cannot, such as memory that
 * nobody has mapped. See cgroups(7); version 1 with a hierarchy for memory and one for pids, version 2 with both in one.
 * Moving another process into a group waits for the kernel for some 5 to 20 ms, in which no process of the machine can start or end. A
 * thread that moves itself does not (`cgroup_procs_write_start` in the kernel's cgroup.c), which version 1 has a file for.
 */
import { chmodSync, chownSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { listNames, readStart, readText } from "../processes/proc-files.ts";
import type { Verdict } from "./watch-tree.ts";

interface ControlGroup {
  /** Resolves when the process is in the group, with all that it starts from then on; also when that was not possible. */
  enter(pid: number): Promise<void>;
  /**
   * The program as one that enters the group first and at once, in its place; `undefined` where only `enter` can. For root, which then
   * starts it as the user with this id.
   */
  toEntering(argv: readonly string[], uid: number): string[] | undefined;
  /** `memory` when the kernel has ended a process of the group for it. */
  verdict(): Verdict | undefined;
  /** Call it when the processes are gone. */
  remove(): void;
}

interface GroupLimits {
  memoryBytes: number;
  processes: number;
}

/** Where groups are made, and how version 1 and 2 name things. */
interface GroupHome {
  folders: readonly string[];
  limits: (
    limits: GroupLimits,
  ) => readonly { folder: number; file: string; value: string; optional?: boolean }[];
  events: string;
  /** Where a thread that writes `0` puts itself into the group. */
  ownFile?: string;
}

const PREFIX = "lmagent-";
const REMOVE_TRIES = 20;
const REMOVE_PAUSE_MS = 50;

/** Files to enter by, an empty argument, the program. `echo` is of the shell itself, so it is the shell that enters. */
const ENTER = `while [ -n "$1" ]; do echo 0 2>/dev/null > "$1"; shift; done; shift; exec "$@"`;

let next = 0;

/** `undefined` where no group can be made. `base` and `processFolder` are those of the system but for tests. */
export function createControlGroup(
  limits: GroupLimits,
  { base = "/sys/fs/cgroup", processFolder = "/proc" }: { base?: string; processFolder?: string } = {},
): ControlGroup | undefined {
  const home = findHome(base, processFolder);
  if (home === undefined) return undefined;
  removeStale(home, processFolder);
  next += 1;
  const name = `${PREFIX}${process.pid}-${readStart(process.pid, processFolder)}-${next}`;
  const folders = home.folders.map((folder) => `${folder}/${name}`);
  try {
    for (const folder of folders) mkdirSync(folder);
    for (const { folder, file, value, optional } of home.limits(limits))
      writeLimit(`${folders[folder]}/${file}`, value, optional);
  } catch {
    for (const folder of folders) tryToRemove(folder);
    return undefined;
  }
  return {
    async enter(pid) {
      await Promise.allSettled(folders.map((folder) => writeFile(`${folder}/cgroup.procs`, String(pid))));
    },
    toEntering(argv, uid) {
      const { ownFile } = home;
      if (ownFile === undefined || !folders.every((folder) => letEnter(folder, ownFile, uid)))
        return undefined;
      return ["/bin/sh", "-c", ENTER, "sh", ...folders.map((each) => `${each}/${ownFile}`), "", ...argv];
    },
    verdict() {
      const count = /^oom_kill (\d+)$/m.exec(readText(`${folders[0]}/${home.events}`))?.[1];
      return Number(count ?? 0) > 0 ? "memory" : undefined;
    },
    remove: () => removeSoon(folders, REMOVE_TRIES),
  };
}

/**
 * Lets a user put processes of its own into the group, not out of it: that takes the right to write to another group, and to see it. The
 * folder's name is given to nobody, and goes with the group.
 */
function letEnter(folder: string, ownFile: string, uid: number): boolean {
  if (uid === 0) return true;
  try {
    chmodSync(folder, 0o711);
    chownSync(`${folder}/${ownFile}`, uid, -1);
    return true;
  } catch {
    return false;
  }
}

function findHome(base: string, processFolder: string): GroupHome | undefined {
  const lines = readText(`${processFolder}/self/cgroup`).split("\n");
  const pathOf = (controller: string): string | undefined =>
    lines.map((line) => line.split(":")).find(([, names]) => names?.split(",").includes(controller))?.[2];
  const [memory, pids, unified] = [pathOf("memory"), pathOf("pids"), pathOf("")];
  if (memory !== undefined && pids !== undefined)
    return { ...VERSION_1, folders: [`${base}/memory${trim(memory)}`, `${base}/pids${trim(pids)}`] };
  if (unified === undefined) return undefined;
  // A group with processes of its own cannot have groups with limits below it, so ours are made beside it.
  const folder = `${base}${trim(dirname(unified))}`;
  const granted = readText(`${folder}/cgroup.subtree_control`).trim().split(" ");
  return granted.includes("memory") && granted.includes("pids")
    ? { ...VERSION_2, folders: [folder] }
    : undefined;
}

function trim(path: string): string {
  return path === "/" ? "" : path;
}

const VERSION_1: Omit<GroupHome, "folders"> = {
  ownFile: "tasks",
  events: "memory.oom_control",
  limits: ({ memoryBytes, processes }) => [
    { folder: 0, file: "memory.limit_in_bytes", value: String(memoryBytes) },
    // Not where swap is not counted.
    { folder: 0, file: "memory.memsw.limit_in_bytes", value: String(memoryBytes), optional: true },
    { folder: 1, file: "pids.max", value: String(processes) },
  ],
};

const VERSION_2: Omit<GroupHome, "folders"> = {
  events: "memory.events",
  limits: ({ memoryBytes, processes }) => [
    { folder: 0, file: "memory.max", value: String(memoryBytes) },
    { folder: 0, file: "memory.swap.max", value: "0", optional: true },
    { folder: 0, file: "memory.oom.group", value: "1", optional: true },
    { folder: 0, file: "pids.max", value: String(processes) },
  ],
};

function writeLimit(path: string, value: string, optional = false): void {
  try {
    writeFileSync(path, value);
  } catch (thrown) {
    if (!optional) throw thrown;
  }
}

/** Groups of agents that were killed. Removing one with processes in it fails, so nothing alive is touched. */
function removeStale({ folders }: GroupHome, processFolder: string): void {
  for (const folder of folders) {
    for (const name of listNames(folder)) {
      const [, pid, start] = /^lmagent-(\d+)-(\d+)-\d+$/.exec(name) ?? [];
      if (pid !== undefined && readStart(Number(pid), processFolder) !== start)
        tryToRemove(`${folder}/${name}`);
    }
  }
}

/** The kernel may hold on to a group for a moment after its last process. */
function removeSoon(folders: readonly string[], tries: number): void {
  const left = folders.filter((folder) => !tryToRemove(folder));
  if (left.length > 0 && tries > 0) setTimeout(removeSoon, REMOVE_PAUSE_MS, left, tries - 1).unref();
}

function tryToRemove(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "ENOENT";
  }
}
