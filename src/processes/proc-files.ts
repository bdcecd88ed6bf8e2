/** Small files and folders that may be gone before they are read, as everything in `/proc` may. */
import { readFileSync, readdirSync } from "node:fs";

/** Empty for a file that is not there or may not be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Empty for a folder that is not there or may not be read. */
export function listNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/**
 * When a process started, in ticks since the machine did: field 22 of proc_pid_stat(5); the name before it may hold anything. Empty for
 * a process that is not there. A number may be used again, number and start together not.
 */
export function readStart(pid: number, processFolder = "/proc"): string {
  const stat = readText(`${processFolder}/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
