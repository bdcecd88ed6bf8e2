import { read } from "node:fs";
import { promisify } from "node:util";
import type { ReadTextOptions } from "../core/workspace.ts";

const readAsync = promisify(read);

const CHUNK_BYTES = 256 * 1024;
/** Lines past the wanted ones are counted this far, and wanted ones looked for this far. */
const MAX_COUNT_BYTES = 64 * 1024 * 1024;
const MAX_SEEK_BYTES = 4 * 1024 * 1024 * 1024;

export interface Scan {
  /** The wanted lines, at most `maxBytes` and a little. */
  bytes: Buffer;
  firstLine: number;
  totalLines?: number;
  /** Bytes of the wanted lines were left out. */
  cut: boolean;
  maxBytes: number;
}

/** Goes through a large file in chunks and keeps the wanted lines only, so that memory stays flat. */
export async function scanLines(fd: number, options: ReadTextOptions): Promise<Scan> {
  const { firstLine = 1, lines = Infinity, maxBytes, signal } = options;
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let newlines = 0;
  let at = 0;
  let cut = false;
  let last = 10;
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await readAsync(fd, chunk, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) break;
    const part = chunk.subarray(0, bytesRead);
    last = part[bytesRead - 1] as number;
    const window = wantedPart(part, newlines, firstLine, lines);
    newlines = window.newlines;
    const room = Math.max(0, maxBytes + 4 - keptBytes);
    if (window.part.length > room) cut = true;
    if (room > 0 && window.part.length > 0) kept.push(Buffer.from(window.part.subarray(0, room)));
    keptBytes += Math.min(room, window.part.length);
    at += bytesRead;
    const isFound = newlines >= firstLine - 1;
    if (
      at >= (isFound ? MAX_COUNT_BYTES : MAX_SEEK_BYTES) &&
      (cut || newlines >= firstLine - 1 + lines || !isFound)
    ) {
      return { bytes: Buffer.concat(kept), firstLine, cut, maxBytes };
    }
  }
  const totalLines = last === 10 ? newlines : newlines + 1;
  return { bytes: Buffer.concat(kept), firstLine, totalLines, cut, maxBytes };
}

/** The bytes of one chunk that lie in the wanted lines, given the line ends before it. */
function wantedPart(
  chunk: Buffer,
  newlines: number,
  firstLine: number,
  lines: number,
): { part: Buffer; newlines: number } {
  const afterLast = firstLine - 1 + lines;
  let start = newlines >= firstLine - 1 ? 0 : -1;
  let end = newlines >= afterLast ? 0 : -1;
  let count = newlines;
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) {
    count += 1;
    if (start === -1 && count === firstLine - 1) start = at + 1;
    if (end === -1 && count === afterLast) end = at + 1;
  }
  return {
    part: start === -1 ? chunk.subarray(0, 0) : chunk.subarray(start, end === -1 ? chunk.length : end),
    newlines: count,
  };
}
