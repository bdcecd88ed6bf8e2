/**
 * Small texts that a child reads from descriptors. They lie in files that have no name any more, and each child gets a descriptor of its
 * own, since reading moves its position. Linux only.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError, errorMessage } from "../core/errors.ts";

export interface TextDescriptors {
  /** New descriptors, one for each text; whoever asks closes them. */
  open(): number[];
  close(): void;
}

/** Throws `AgentError` `sandbox_unavailable` when no file can be made anywhere. */
export function createTextDescriptors(texts: readonly (string | Uint8Array)[]): TextDescriptors {
  const files = makeFiles(texts);
  return {
    open: () => files.map((file) => openSync(`/proc/self/fd/${file}`, "r")),
    close: () => {
      for (const file of files.splice(0)) closeSync(file);
    },
  };
}

function makeFiles(texts: readonly (string | Uint8Array)[]): number[] {
  let reason: unknown;
  for (const place of new Set([tmpdir(), "/dev/shm", "/tmp"])) {
    try {
      return makeFilesIn(place, texts);
    } catch (thrown) {
      reason = thrown;
    }
  }
  throw new AgentError(
    "sandbox_unavailable",
    `No temporary file could be made in \`${tmpdir()}\`: ${errorMessage(reason)}. Free some space there, or set TMPDIR to another folder.`,
    { cause: reason, data: { backend: "bubblewrap" } },
  );
}

function makeFilesIn(place: string, texts: readonly (string | Uint8Array)[]): number[] {
  const folder = mkdtempSync(join(place, "lmagent-texts-"));
  const files: number[] = [];
  try {
    for (const [index, text] of texts.entries()) {
      const path = join(folder, String(index));
      writeFileSync(path, text, { mode: 0o600 });
      files.push(openSync(path, "r"));
    }
    return files;
  } catch (thrown) {
    for (const file of files) closeSync(file);
    throw thrown;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
