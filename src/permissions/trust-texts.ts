/** Copies of what was agreed to, named by their hash, so that a later question can show what has changed. A comfort: nothing depends on them. */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "./own-file.ts";

/** The oldest go first. */
const MAX_TEXTS = 200;

export function keepText(folder: string, text: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    removeOldest(folder);
    replaceFile(join(folder, toHash(text)), text);
  } catch {
    // Without it the next question shows the whole text.
  }
}

export function readKeptText(folder: string, sha256: string): string | undefined {
  try {
    const text = readFileSync(join(folder, sha256), "utf8");
    return toHash(text) === sha256 ? text : undefined;
  } catch {
    return undefined;
  }
}

function removeOldest(folder: string): void {
  const files = readdirSync(folder)
    .map((name) => join(folder, name))
    .flatMap((path) => {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      return stats === undefined ? [] : [{ path, at: stats.mtimeMs }];
    })
    .sort((one, other) => other.at - one.at);
  for (const { path } of files.slice(MAX_TEXTS - 1)) rmSync(path, { force: true });
}

function toHash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
