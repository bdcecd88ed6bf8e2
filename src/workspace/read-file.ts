import { closeSync, fstatSync, read as readCallback, readSync } from "node:fs";
import { promisify } from "node:util";
import type { ReadTextOptions, TextRead } from "../core/workspace.ts";
import { fileFailed, systemFailure } from "./failures.ts";
import { openRegular } from "./folder.ts";
import { type Scan, scanLines } from "./scan-lines.ts";
import { binaryKind, decodeText, markOf, SNIFF_BYTES } from "./text.ts";
import type { Place } from "./walk.ts";

const readAsync = promisify(readCallback);

/** Up to this size one call reads a file at once, which is quicker than a round trip through the thread pool. */
const SMALL_BYTES = 256 * 1024;
const CHUNK_BYTES = 4 * 1024 * 1024;
/** Text in two-byte encodings is decoded whole. */
const MAX_WIDE_BYTES = 32 * 1024 * 1024;

/** Opens a place for the time of one reading; `shown` is the path for messages. */
export async function withOpenFile<Result>(
  place: Place,
  shown: string,
  use: (fd: number, sizeBytes: number) => Result | Promise<Result>,
): Promise<Result> {
  let fd: number | undefined;
  try {
    fd = openRegular(place.folder, place.name, shown);
    return await use(fd, fstatSync(fd).size);
  } catch (error) {
    throw systemFailure(shown, "read", error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The first `limit` bytes of an open file, whatever its size says. */
export async function readStart(fd: number, sizeBytes: number, limit: number): Promise<Buffer> {
  const wanted = Math.min(sizeBytes, limit);
  const buffer = Buffer.allocUnsafe(wanted);
  let filled = 0;
  while (filled < wanted) {
    const count =
      wanted <= SMALL_BYTES
        ? readSync(fd, buffer, filled, wanted - filled, filled)
        : (await readAsync(fd, buffer, filled, Math.min(CHUNK_BYTES, wanted - filled), filled)).bytesRead;
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

export async function readTextOf(place: Place, shown: string, options: ReadTextOptions): Promise<TextRead> {
  return withOpenFile(place, shown, async (fd, sizeBytes) => {
    const head = await readStart(fd, sizeBytes, sizeBytes <= SMALL_BYTES ? SMALL_BYTES : SNIFF_BYTES);
    refuseBinary(head, sizeBytes, shown);
    if (head.length === sizeBytes) return fromWhole(head, shown, options);
    if (markOf(head).encoding === "utf-8")
      return fromScan(await scanLines(fd, options), { shown, sizeBytes });
    if (sizeBytes > MAX_WIDE_BYTES)
      throw fileFailed(shown, `cannot read ${shown}: UTF-16 text of ${sizeBytes} bytes is too large`);
    return fromWhole(await readStart(fd, sizeBytes, sizeBytes), shown, options);
  });
}

export function refuseBinary(head: Uint8Array, sizeBytes: number, shown: string): void {
  const kind = binaryKind(head, sizeBytes);
  if (kind) throw fileFailed(shown, `cannot read ${shown} as text: ${kind}, ${sizeBytes} bytes`);
}

function fromWhole(bytes: Buffer, shown: string, options: ReadTextOptions): TextRead {
  const { text, encoding } = decodeText(bytes);
  const { firstLine = 1, lines = Infinity, maxBytes } = options;
  const unix = text.replaceAll("\r\n", "\n");
  const totalLines = countLines(unix);
  const wanted = firstLine === 1 && lines >= totalLines ? unix : sliceLines(unix, firstLine, lines);
  const cut = cutText(wanted, maxBytes);
  const lastLine = firstLine - 1 + countLines(cut.text);
  const truncated = lastLine < totalLines || cut.lineCut;
  return {
    path: shown,
    encoding,
    firstLine,
    lastLine,
    totalLines,
    sizeBytes: bytes.length,
    truncated,
    ...cut,
  };
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count += 1;
  return text === "" || text.endsWith("\n") ? count : count + 1;
}

function sliceLines(text: string, firstLine: number, lines: number): string {
  let start = 0;
  for (let line = 1; line < firstLine; line += 1) {
    start = text.indexOf("\n", start) + 1;
    if (start === 0) return "";
  }
  let end = start;
  for (let line = 0; line < lines && end < text.length; line += 1) {
    end = text.indexOf("\n", end) + 1 || text.length;
  }
  return text.slice(start, end);
}

/** Whole lines within `maxBytes`; the first line is cut when even it does not fit. */
function cutText(text: string, maxBytes: number): { text: string; lineCut: boolean } {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return { text, lineCut: false };
  const fitting = Buffer.from(text.slice(0, maxBytes), "utf8").subarray(0, maxBytes);
  const end = fitting.lastIndexOf(10);
  if (end !== -1) return { text: fitting.toString("utf8", 0, end + 1), lineCut: false };
  return { text: fitting.toString("utf8").replace(/\uFFFD$/, ""), lineCut: true };
}

function fromScan(scan: Scan, { shown, sizeBytes }: { shown: string; sizeBytes: number }): TextRead {
  const mark = scan.firstLine === 1 ? markOf(scan.bytes).length : 0;
  const body = scan.bytes.subarray(mark);
  const whole = scan.cut ? withoutSplitCharacter(body) : body;
  const { text, encoding } = decodeText(whole);
  const unix = text.replaceAll("\r\n", "\n");
  const cut = cutText(
    scan.cut ? unix.slice(0, unix.lastIndexOf("\n") + 1 || undefined) : unix,
    scan.maxBytes,
  );
  const lastLine = scan.firstLine - 1 + countLines(cut.text);
  const truncated = scan.cut || cut.lineCut || scan.totalLines === undefined || lastLine < scan.totalLines;
  return {
    path: shown,
    encoding,
    firstLine: scan.firstLine,
    lastLine,
    ...(scan.totalLines === undefined ? {} : { totalLines: scan.totalLines }),
    sizeBytes,
    truncated,
    text: cut.text,
    lineCut: cut.lineCut || (scan.cut && !cut.text.endsWith("\n")),
  };
}

/** Leaves out the bytes of a UTF-8 character that the cut went through. */
function withoutSplitCharacter(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return bytes;
    if (byte >= 0xc0) return bytes.subarray(0, bytes.length - back);
  }
  return bytes;
}
