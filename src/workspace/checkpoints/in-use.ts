/** Which processes use the checkpoints of a workspace, so that nothing is removed under one of them: a file for each, `<name>.live`. */
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { isAlive } from "../../processes/is-alive.ts";
import { readStart } from "../../processes/proc-files.ts";
import { type Folder, openRegular } from "../folder.ts";

const LIVE = ".live";
/** A process elsewhere cannot be asked; it counts as gone after a day without a sign. */
const FOREIGN_MS = 24 * 60 * 60 * 1_000;

/** Without the mark everything works, but for the safety of removing while two are at work. */
export function markInUse(folder: Folder, name: string): void {
  try {
    const fd = openSync(`${folder.path}/${name}${LIVE}`, "wx", 0o600);
    try {
      writeSync(fd, JSON.stringify(thisProcess()));
    } finally {
      closeSync(fd);
    }
  } catch {
    // Made before, or the disk is full.
  }
}

export function markUnused(folder: Folder, name: string): void {
  try {
    unlinkSync(`${folder.path}/${name}${LIVE}`);
  } catch {
    // Gone with the folder.
  }
}

/** Another process is at work here. Marks of processes that are gone are removed. */
export function isUsedByOthers(folder: Folder, own: string): boolean {
  let isUsed = false;
  for (const file of readdirSync(folder.path)) {
    if (!file.endsWith(LIVE) || file === `${own}${LIVE}`) continue;
    if (isLive(folder, file)) isUsed = true;
    else markUnused(folder, file.slice(0, -LIVE.length));
  }
  return isUsed;
}

function isLive(folder: Folder, file: string): boolean {
  const mark = readMark(folder, file);
  const own = thisProcess();
  if (mark?.host !== own.host || mark.space !== own.space) {
    const stats = lstatSync(`${folder.path}/${file}`, { throwIfNoEntry: false });
    return stats !== undefined && Date.now() - stats.mtimeMs < FOREIGN_MS;
  }
  if (typeof mark.pid !== "number" || !isAlive(mark.pid)) return false;
  return mark.start === readStart(mark.pid);
}

interface Mark {
  pid?: unknown;
  /** Clock ticks from boot to its start, so that a later process with its number is another. */
  start?: unknown;
  host?: unknown;
  space?: unknown;
}

function thisProcess() {
  return { pid: process.pid, start: readStart(process.pid), host: hostname(), space: space() };
}

function readMark(folder: Folder, file: string): Mark | undefined {
  try {
    const fd = openRegular(folder, file, file);
    try {
      const input: unknown = JSON.parse(readFileSync(fd, "utf8"));
      return typeof input === "object" && input !== null ? input : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** The boot and the space that process ids count in. */
function space(): string {
  try {
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return "";
  }
}
