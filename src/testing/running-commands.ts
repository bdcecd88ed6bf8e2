/** What runs on this machine, looked at from outside of every sandbox. Linux only: where there is no `/proc` nothing is found. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";

/** How many processes of this machine have `text` in their command line; 0 where there is no `/proc`. */
export async function countCommands(text: string): Promise<number> {
  return (await findCommands(text)).length;
}

async function findCommands(text: string): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "")),
  );
  return pids.filter((_, index) => lines[index]?.replaceAll("\0", " ").includes(text));
}

let made = 0;

/** A text that no command line on this machine holds; digits only, so that it can be a fraction of a second. */
export function uniqueDigits(): string {
  made += 1;
  return `${process.pid}${Date.now()}${made}`;
}

/** A `sleep` that no other process on this machine runs. */
export function uniqueSleep(): string {
  return `sleep 77.${uniqueDigits()}`;
}

export async function assertGone(command: string): Promise<void> {
  assert.equal(await countCommands(command), 0, `\`${command}\` is still running`);
}

/** Waits until `count` processes of that command run; fails after ten seconds. */
export async function waitForCommand(command: string, count = 1): Promise<void> {
  const arrived = await waitUntil(async () => (await countCommands(command)) >= count, 10_000);
  assert.ok(arrived, `\`${command}\` did not start`);
}

/** Waits until none runs any more; false when one still does at the end. */
export function waitUntilGone(command: string, withinMs: number): Promise<boolean> {
  return waitUntil(async () => (await countCommands(command)) === 0, withinMs);
}

async function waitUntil(isSo: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) return false;
    await pause(10);
  }
  return true;
}

export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}

/** How many descriptors this process has open; 0 where that cannot be seen. */
export function countOpenDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}
