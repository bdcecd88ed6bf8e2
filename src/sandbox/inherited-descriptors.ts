import { readFileSync, readdirSync } from "node:fs";

const CLOSE_ON_EXEC = 0o2000000;

let known: readonly number[] | undefined;

/**
 * Descriptors that whoever started the agent left open in it and that its children would get too. Node marks its own; these
 * were there before it, so they are looked for once. Empty where there is no `/proc`.
 */
export function inheritedDescriptors(): readonly number[] {
  known ??= readInherited();
  return known;
}

function readInherited(): number[] {
  try {
    return readdirSync("/proc/self/fdinfo").map(Number).filter(isPassedOn);
  } catch {
    return [];
  }
}

function isPassedOn(descriptor: number): boolean {
  if (descriptor <= 2) return false;
  try {
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1");
    const flags = /^flags:\s+([0-7]+)/m.exec(info)?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    return false;
  }
}
