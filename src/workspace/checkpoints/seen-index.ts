/** What was seen of the workspace, as a file: lost or damaged, everything is read again. */
import { closeSync, fstatSync, readFileSync } from "node:fs";
import { type Folder, openRegular } from "../folder.ts";
import { isPath, isRecorded, parseState } from "./file-state.ts";
import type { Seen } from "./look.ts";

export const INDEX = "index.json";
const VERSION = 1;
const MAX_BYTES = 64 * 1024 * 1024;

/** Only files whose bytes are kept; what was changed a moment before is left out, since its stamp says too little. */
export function toIndexText(known: ReadonlyMap<string, Seen>): string {
  const files = [];
  for (const [path, { stamp, state, young }] of known)
    if (!young && isRecorded(state)) files.push([path, stamp, state]);
  return JSON.stringify({ version: VERSION, files });
}

export function readIndex(folder: Folder): Map<string, Seen> {
  const known = new Map<string, Seen>();
  try {
    const { version, files } = JSON.parse(readText(folder)) as Record<string, unknown>;
    if (version !== VERSION || !Array.isArray(files)) return known;
    for (const each of files as unknown[]) {
      const [path, stamp, given] = Array.isArray(each) ? (each as unknown[]) : [];
      const state = parseState(given);
      if (isPath(path) && typeof stamp === "string" && state !== undefined && isRecorded(state))
        known.set(path, { stamp, state, young: false });
    }
    return known;
  } catch {
    return known;
  }
}

function readText(folder: Folder): string {
  const fd = openRegular(folder, INDEX, INDEX);
  try {
    if (fstatSync(fd).size > MAX_BYTES) return "";
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}
