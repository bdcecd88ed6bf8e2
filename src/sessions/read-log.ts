/** Reading a session file line by line, so that neither a huge file nor a huge line is ever held whole by accident. */
import { isUtf8 } from "node:buffer";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { AgentError, errnoOf } from "../core/errors.ts";
import { parseHeader, parseRecord, SESSION_FORMAT } from "./record.ts";
import type { StoredHeader, StoredRecord } from "./record.ts";
import { toStorageError } from "./state-folder.ts";
import type { StateFolder } from "./state-folder.ts";

/** More than a conversation can be; a file beyond it was not written by us. */
export const LOG_LIMITS = { recordBytes: 64 * 1024 * 1024, fileBytes: 512 * 1024 * 1024 } as const;

const CHUNK_BYTES = 1024 * 1024;
const HEADER_START = '{"type":"session"';

export interface Line {
  /** Holds the line until the next one is asked for. */
  bytes: Buffer;
  /** From 1. */
  number: number;
  /** Offset of the byte behind the line, its newline included. */
  end: number;
  /** False for bytes at the end of the file that no newline follows. */
  terminated: boolean;
}

export interface SessionLog {
  /** Absent when the process was killed before the header was whole. */
  header?: StoredHeader;
  records: StoredRecord[];
  /** As it was read. */
  fileBytes: number;
  /** What is kept of the file; anything behind it is a torn line. */
  goodBytes: number;
  /** The last record is whole but its newline is missing. */
  needsNewline: boolean;
}

/** A session file, opened so that a link, a pipe or a device in its place is refused. `undefined`: there is none. */
export async function openLogFile(
  folder: StateFolder,
  name: string,
  flags: number,
): Promise<FileHandle | undefined> {
  const path = join(folder.path, name);
  let file: FileHandle;
  try {
    file = await open(folder.entry(name), flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw toStorageError("open", path, error);
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw toStorageError("open", path, new Error("it is not a regular file"));
}

/** Lines from the start, at most `maxBytes` of the file. */
export async function* readLines(file: FileHandle, maxBytes: number): AsyncGenerator<Line> {
  for await (const lines of readChunks(file, maxBytes)) yield* lines;
}

/** The lines that end in each piece of the file; they hold only until the next piece is asked for. */
async function* readChunks(file: FileHandle, maxBytes: number): AsyncGenerator<Generator<Line, void>> {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, maxBytes));
  const rest = { pieces: [] as Buffer[], lineStart: 0, number: 1 };
  let offset = 0;
  while (offset < maxBytes) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, maxBytes - offset), offset);
    if (bytesRead === 0) break;
    yield splitLines(chunk.subarray(0, bytesRead), offset, rest);
    offset += bytesRead;
  }
  if (rest.lineStart < offset) yield lastLine(rest, offset);
}

interface Rest {
  /** Of a line whose end has not come. */
  pieces: Buffer[];
  lineStart: number;
  number: number;
}

function* splitLines(chunk: Buffer, offset: number, rest: Rest): Generator<Line, void> {
  let from = 0;
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
    const piece = chunk.subarray(from, at);
    const bytes = rest.pieces.length === 0 ? piece : Buffer.concat([...rest.pieces, piece]);
    from = at + 1;
    rest.pieces = [];
    rest.lineStart = offset + from;
    yield { bytes, number: rest.number, end: rest.lineStart, terminated: true };
    rest.number += 1;
  }
  rest.pieces.push(Buffer.from(chunk.subarray(from)));
}

function* lastLine({ pieces, number }: Rest, end: number): Generator<Line, void> {
  yield { bytes: Buffer.concat(pieces), number, end, terminated: false };
}

/** Reads all of it. Throws `session_corrupt` for what no crash of ours can leave behind; the file is not touched. */
export async function readLog(file: FileHandle, path: string, sessionId: string): Promise<SessionLog> {
  const { size } = await file.stat();
  if (size > LOG_LIMITS.fileBytes) {
    const limit = `${LOG_LIMITS.fileBytes / 1024 / 1024} MiB`;
    throw toCorruptError(path, undefined, `it has ${size} bytes, and no session is larger than ${limit}`);
  }
  const reader = new LogReader(path, sessionId);
  for await (const lines of readChunks(file, size)) for (const line of lines) reader.add(line);
  return { ...reader.log, fileBytes: size };
}

class LogReader {
  readonly #path: string;
  readonly #sessionId: string;
  readonly #ids = new Set<string>();
  readonly log: SessionLog = { records: [], fileBytes: 0, goodBytes: 0, needsNewline: false };
  /** Set by a line that can only be a torn write; nothing but more of the same may follow. */
  #torn: { line: number; why: string } | undefined;

  constructor(path: string, sessionId: string) {
    this.#path = path;
    this.#sessionId = sessionId;
  }

  add(line: Line): void {
    const text = line.bytes.length > LOG_LIMITS.recordBytes ? undefined : toText(line.bytes);
    if (text?.trim() === "" && line.terminated) return;
    const why = text === undefined ? "it is too long or not UTF-8 text" : this.#addText(text);
    if (why === undefined) {
      if (this.#torn !== undefined) throw toCorruptError(this.#path, this.#torn.line, this.#torn.why);
      this.log.goodBytes = line.end;
      this.log.needsNewline = !line.terminated;
      return;
    }
    // A power cut leaves bytes that were never written as NUL; JSON text never holds one.
    if (line.terminated ? !line.bytes.includes(0) : !this.#couldBeTorn(line))
      throw toCorruptError(this.#path, line.number, why);
    this.#torn ??= { line: line.number, why };
  }

  /** Why the line cannot be taken, or `undefined`. */
  #addText(text: string): string | undefined {
    return this.log.header === undefined ? this.#addHeader(text) : this.#addRecord(text);
  }

  #addHeader(text: string): string | undefined {
    const parsed = parseHeader(text);
    if (!parsed.ok) return "it is not the header of a session";
    const { format, version, id } = parsed.value;
    if (format > SESSION_FORMAT) {
      throw new AgentError(
        "session_corrupt",
        `Session \`${this.#sessionId}\` was written by lmagent \`${version}\` in format ${format}; this one reads up to ${SESSION_FORMAT}. Update lmagent to open it.`,
        { data: { path: this.#path, line: 1 } },
      );
    }
    if (id !== this.#sessionId) {
      throw toCorruptError(this.#path, 1, `it is the header of session \`${id}\`: the file was renamed`);
    }
    this.log.header = parsed.value;
    return undefined;
  }

  #addRecord(text: string): string | undefined {
    const parsed = parseRecord(text);
    if (!parsed.ok) return parsed.why;
    const { id, parent } = parsed.value;
    if (this.#ids.has(id)) return `there is a record \`${id}\` before it`;
    if (parent !== null && !this.#ids.has(parent))
      return `the record \`${parent}\` that it follows is missing`;
    this.#ids.add(id);
    this.log.records.push(parsed.value);
    return undefined;
  }

  /** Where no header has been read, only the beginning of one is taken for ours. */
  #couldBeTorn({ bytes }: Line): boolean {
    if (this.log.header !== undefined || bytes.includes(0)) return true;
    const start = bytes.toString("latin1").slice(0, HEADER_START.length);
    return HEADER_START.startsWith(start);
  }
}

function toText(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString() : undefined;
}

function toCorruptError(path: string, line: number | undefined, why: string): AgentError {
  const where = line === undefined ? "" : ` line ${line}:`;
  const help =
    line === undefined
      ? "Move it out of the folder."
      : "Keep a copy, then cut the file off before that line to go on from there, or move it out of the folder.";
  return new AgentError("session_corrupt", `\`${path}\`${where} ${why}. Nothing was changed. ${help}`, {
    data: { path, ...(line === undefined ? {} : { line }) },
  });
}
