/**
 * A file that is on its way: `NAME.part` has its bytes where they will stay, `NAME.part.json` says which of them are there. The note is
 * written after the bytes, so that a process that was killed never believes in bytes that were not written.
 */
import { open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { AgentError, errnoOf, errorMessage } from "../../core/errors.ts";
import { downloadFailed } from "./failure.ts";

/** What the bytes are part of. Another one of these, and they are worth nothing. */
export interface PartIdentity {
  /** Address without what changes with each request. */
  source: string;
  totalBytes: number;
  etag: string | undefined;
}

export interface PartFile extends AsyncDisposable {
  readonly segments: readonly Segment[];
  readonly doneBytes: number;
  /** Throws `download_failed` when the disk is full. */
  write(segment: Segment, chunk: Uint8Array): Promise<void>;
  /** Notes what is there. */
  save(): Promise<void>;
}

/** Bytes `start` to `end` without `end`; `done` of them are there. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  done: number;
}

interface Note extends Record<string, unknown> {
  version: 1;
  source: string;
  totalBytes: number;
  etag: string | null;
  segmentBytes: number;
  done: number[];
}

const LEAST_SEGMENT_BYTES = 1_000_000;
const MOST_SEGMENT_BYTES = 256_000_000;
/** Room for the rest of a note, and for each number in it. */
const NOTE_BASE_BYTES = 2_048;
const NOTE_SEGMENT_BYTES = 12;
/** A note is small; more than this is none of ours. */
const NOTE_BYTES = 4_000_000;

export function notePath(partPath: string): string {
  return `${partPath}.json`;
}

export interface PartOptions {
  /** Pieces that are fetched at the same time. */
  connections: number;
  /** Nothing else tells whether the bytes are right, so they are to reach the disk before the note does. */
  flush: boolean;
}

/** With what an earlier process left, where it is part of the same. */
export async function openPartFile(
  partPath: string,
  identity: PartIdentity,
  { connections, flush }: PartOptions,
): Promise<PartFile> {
  const { totalBytes } = identity;
  const found = await readNote(partPath, identity);
  const segmentBytes =
    found?.segmentBytes ??
    Math.min(MOST_SEGMENT_BYTES, Math.max(LEAST_SEGMENT_BYTES, Math.ceil(totalBytes / connections)));
  const segments = toSegments(totalBytes, segmentBytes, found?.done ?? []);
  try {
    const file = await open(partPath, found === undefined ? "w+" : "r+", 0o644);
    await file.truncate(totalBytes);
    const part = new OpenPart(file, { partPath, identity, segmentBytes, segments, flush });
    await part.save().catch(async (thrown: unknown) => {
      await file.close();
      throw thrown;
    });
    return part;
  } catch (thrown) {
    throw AgentError.is(thrown) ? thrown : toDiskError(thrown, partPath);
  }
}

/** Bytes that an earlier process left of it; 0 for what would be begun anew. */
export async function readPartBytes(partPath: string, identity: PartIdentity): Promise<number> {
  const note = await readNote(partPath, identity);
  return note?.done.reduce((sum, done) => sum + done, 0) ?? 0;
}

export async function removePart(partPath: string): Promise<void> {
  for (const path of [notePath(partPath), partPath]) await rm(path, { force: true });
}

class OpenPart implements PartFile {
  readonly segments: readonly Segment[];
  readonly #file: FileHandle;
  readonly #options: { partPath: string; identity: PartIdentity; segmentBytes: number; flush: boolean };
  #saving: Promise<void> = Promise.resolve();

  constructor(
    file: FileHandle,
    options: {
      partPath: string;
      identity: PartIdentity;
      segmentBytes: number;
      segments: readonly Segment[];
      flush: boolean;
    },
  ) {
    this.#file = file;
    this.#options = options;
    this.segments = options.segments;
  }

  get doneBytes(): number {
    return this.segments.reduce((sum, { done }) => sum + done, 0);
  }

  async write(segment: Segment, chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length;) {
        const position = segment.start + segment.done;
        const { bytesWritten } = await this.#file.write(chunk, at, chunk.length - at, position);
        at += bytesWritten;
        segment.done += bytesWritten;
      }
    } catch (thrown) {
      throw toDiskError(thrown, this.#options.partPath);
    }
  }

  save(): Promise<void> {
    // One after the other, or an older note could come last.
    this.#saving = this.#saving.catch(() => undefined).then(() => this.#write());
    return this.#saving;
  }

  async #write(): Promise<void> {
    const { partPath, identity, segmentBytes, flush } = this.#options;
    const { source, totalBytes, etag = null } = identity;
    const done = this.segments.map((segment) => segment.done);
    const note: Note = { version: 1, source, totalBytes, etag, segmentBytes, done };
    // Always of one length, so that it can be written over itself.
    const text = JSON.stringify(note).padEnd(NOTE_BASE_BYTES + NOTE_SEGMENT_BYTES * done.length);
    try {
      if (flush) await this.#file.datasync();
      await replaceNote(notePath(partPath), text);
    } catch (thrown) {
      throw toDiskError(thrown, partPath);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What cannot be noted now is fetched again; the reason why all this ends is the better error.
    await this.save().catch(() => undefined);
    await this.#file.close();
  }
}

async function replaceNote(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (errnoOf(thrown) !== "ENOSPC") throw thrown;
    // The disk is full, but the older note has its place on it.
    const file = await open(path, "r+");
    try {
      await file.write(text, 0);
    } finally {
      await file.close();
    }
  }
}

async function readNote(partPath: string, identity: PartIdentity): Promise<Note | undefined> {
  try {
    const { size } = await stat(partPath);
    const text = await readFile(notePath(partPath), "utf8");
    if (text.length > NOTE_BYTES || size !== identity.totalBytes) return undefined;
    const note = JSON.parse(text) as Partial<Note> | null;
    return isNoteOf(note, identity) ? note : undefined;
  } catch {
    return undefined;
  }
}

function isNoteOf(note: Partial<Note> | null, identity: PartIdentity): note is Note {
  const { source, totalBytes, etag = null } = identity;
  const { segmentBytes, done } = note ?? {};
  if (note?.version !== 1 || note.source !== source || note.totalBytes !== totalBytes) return false;
  if (note.etag !== etag || !Array.isArray(done)) return false;
  if (!Number.isSafeInteger(segmentBytes) || (segmentBytes ?? 0) < LEAST_SEGMENT_BYTES) return false;
  const segments = toSegments(totalBytes, segmentBytes ?? 1, done);
  return (
    segments.length === done.length &&
    segments.every(
      (one) => Number.isSafeInteger(one.done) && one.done >= 0 && one.done <= one.end - one.start,
    )
  );
}

function toSegments(totalBytes: number, segmentBytes: number, done: readonly number[]): Segment[] {
  return Array.from({ length: Math.ceil(totalBytes / segmentBytes) }, (_, index) => ({
    start: index * segmentBytes,
    end: Math.min(totalBytes, (index + 1) * segmentBytes),
    done: done[index] ?? 0,
  }));
}

export function toDiskError(thrown: unknown, path: string): Error {
  const errno = errnoOf(thrown);
  if (errno === "ENOSPC" || errno === "EDQUOT" || errno === "EFBIG") {
    const message = `The disk is full: \`${path}\` cannot grow. What is there is kept; free some space and start the download again, it goes on from there.`;
    return downloadFailed(message, { cause: thrown, path, errno });
  }
  return downloadFailed(`\`${path}\` cannot be written: ${errorMessage(thrown)}.`, {
    cause: thrown,
    path,
    errno,
  });
}
