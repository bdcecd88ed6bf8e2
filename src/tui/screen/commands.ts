import type { ScreenCommand } from "./controller.ts";

export interface CommandLine {
  name: string;
  args: string;
}

const WORDS_TO_LEAVE = new Set(["quit", "exit", "q"]);

/** With a slash or without one. */
export function isLeaveWord(text: string): boolean {
  return WORDS_TO_LEAVE.has(text.trim().toLowerCase().replace(/^\//, ""));
}

/** `/mode auto` is a command; `/etc/hosts is empty` is not. */
export function parseCommandLine(text: string): CommandLine | undefined {
  const match = /^(\/[a-z?][\w-]*)(?:\s+([\s\S]*))?$/i.exec(text.trim());
  return match === null ? undefined : { name: match[1] ?? "", args: (match[2] ?? "").trim() };
}

/** The command whose name is so close to `name` that it was probably meant. */
export function findClosest(name: string, commands: readonly ScreenCommand[]): string | undefined {
  const ranked = commands
    .map((command) => ({ name: command.name, distance: distanceBetween(name.toLowerCase(), command.name) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(1, Math.floor(name.length / 3))
    ? best.name
    : undefined;
}

/** Levenshtein distance, a swap of neighbours counted once. */
function distanceBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swap =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? rows[i - 2]![j - 2]! + 1
          : Infinity;
      row.push(Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, change, swap));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
