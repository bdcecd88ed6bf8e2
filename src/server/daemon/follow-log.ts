/** Reads the end of a log, and goes on reading as it grows; a rotation in between loses no line. */
import { open, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { errnoOf } from "../../core/errors.ts";

const POLL_MS = 200;
const PIECE_BYTES = 65_536;

export interface FollowOptions {
  /** How many of the last lines come first. */
  last: number;
  /** Goes on until the signal is aborted; otherwise ends at the end of the file. */
  follow: boolean;
  signal: AbortSignal;
}

/** Whole lines, without their ends. A missing file has none. Throws what reading throws. */
export async function* followLog(
  path: string,
  { last, follow, signal }: FollowOptions,
): AsyncGenerator<string, void, void> {
  const lines = createLineSplitter();
  let file = await openIfThere(path);
  try {
    let at = file === undefined ? 0 : await findLast(file, last);
    for (;;) {
      const piece = await readPiece(file, at);
      at += piece.length;
      yield* lines.push(piece);
      if (piece.length > 0) continue;
      if (!follow || signal.aborted) return;
      const next = await replacement(path, file);
      if (next !== undefined) {
        // What was written between our last look and the rotation.
        yield* lines.push(await readRest(file, at));
        await file?.close();
        file = next;
        at = 0;
        continue;
      }
      await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await file?.close();
  }
}

async function readRest(file: FileHandle | undefined, at: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let from = at; ;) {
    const piece = await readPiece(file, from);
    if (piece.length === 0) return Buffer.concat(pieces);
    pieces.push(piece);
    from += piece.length;
  }
}

async function readPiece(file: FileHandle | undefined, at: number): Promise<Buffer> {
  if (file === undefined) return Buffer.alloc(0);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(PIECE_BYTES), 0, PIECE_BYTES, at);
  return buffer.subarray(0, bytesRead);
}

/** Another file under this name, or the same one begun anew. */
async function replacement(path: string, file: FileHandle | undefined): Promise<FileHandle | undefined> {
  if (file === undefined) return openIfThere(path);
  const [old, now] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return now !== undefined && (now.ino !== old.ino || now.dev !== old.dev) ? openIfThere(path) : undefined;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}

/** Where the last `count` lines begin, looked for from the end. */
async function findLast(file: FileHandle, count: number): Promise<number> {
  const { size } = await file.stat();
  if (count === 0) return size;
  let found = 0;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - PIECE_BYTES);
    const piece = Buffer.alloc(end - start);
    await file.read(piece, 0, piece.length, start);
    for (let at = piece.length - 1; at >= 0; at -= 1) {
      // The end of the last line is none between lines.
      if (piece[at] !== 10 || start + at === size - 1) continue;
      found += 1;
      if (found === count) return start + at + 1;
    }
    end = start;
  }
  return 0;
}

function createLineSplitter(): { push: (bytes: Buffer) => string[] } {
  let held: Buffer = Buffer.alloc(0);
  return {
    push: (bytes) => {
      const all = Buffer.concat([held, bytes]);
      const end = all.lastIndexOf(10);
      if (end < 0) {
        held = all;
        return [];
      }
      held = all.subarray(end + 1);
      return all.subarray(0, end).toString("utf8").split("\n");
    },
  };
}
