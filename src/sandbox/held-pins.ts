/** Pins held by descriptors, so that what is mounted is what was looked at, whatever happens to its path meanwhile. Linux only. */
import { closeSync, fstatSync } from "node:fs";
import { AgentError } from "../core/errors.ts";
import { openPathBelow } from "./folder-handle.ts";
import { readPins, type Pin } from "./pins.ts";

export interface HeldPin extends Pin {
  descriptor: number;
  /** When it was written, moved or linked last: `ctimeMs` of stat(2). */
  changedMs: number;
}

/** Commands that run already may change the workspace between two looks. */
const TRIES = 3;

/**
 * The workspace itself first, as `.`. Whoever asks closes the descriptors.
 * Throws `AgentError` `workspace_invalid` like `readPins`, and when the workspace changes too quickly to be held.
 */
export function holdPins(root: string, repositories: readonly string[]): HeldPin[] {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const held = tryToHold(root, [
      { path: ".", kind: "folder", access: "write" },
      ...readPins(root, repositories),
    ]);
    if (held !== undefined) return held;
  }
  throw new AgentError(
    "workspace_invalid",
    `The protected places of \`${root}\` change all the time; end what changes them, then try again.`,
    { data: { path: root } },
  );
}

type Wanted = Omit<Pin, "dev" | "ino"> & Partial<Pin>;

function tryToHold(root: string, wanted: readonly Wanted[]): HeldPin[] | undefined {
  const pins: HeldPin[] = [];
  for (const pin of wanted) {
    const descriptor = openPathBelow(root, pin.path);
    const stats = descriptor === undefined ? undefined : fstatSync(descriptor);
    if (descriptor !== undefined && stats !== undefined)
      pins.push({ ...pin, dev: stats.dev, ino: stats.ino, changedMs: stats.ctimeMs, descriptor });
    const isSame =
      stats !== undefined && (pin.ino === undefined || (stats.ino === pin.ino && stats.dev === pin.dev));
    if (!isSame) {
      closePins(pins);
      return undefined;
    }
  }
  return pins;
}

export function closePins(pins: readonly HeldPin[]): void {
  for (const { descriptor } of pins) closeSync(descriptor);
}
