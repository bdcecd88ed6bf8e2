/** The audit log: one JSON object a line, shared by all agents of a user. It holds digests of arguments, never the arguments. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { AuditRecord } from "../core/audit.ts";
import { errorMessage } from "../core/errors.ts";
import { tryLock } from "./own-file.ts";

export interface AuditLogOptions {
  /** Such as `LMAGENT_HOME/logs/audit.jsonl`. The older records are beside it, in `audit.jsonl.1`. */
  file: string;
  sessionId: string;
  now: () => Date;
  /** Told once, in words for the user, when records are lost. Runs go on without them. */
  onProblem?: (message: string) => void;
  /** Size from which a new file is begun. Default 10 MB. */
  maxBytes?: number;
}

/** An `Audit` that is done when it returns. */
export type AuditLog = ((record: AuditRecord) => void) & AsyncDisposable;

const MAX_BYTES = 10_000_000;
/** A reason or a rule longer than this is cut: a record is one small write. */
const MAX_TEXT = 2_000;

/** Appends to a file, which is opened at the first record and closed by disposing. A record is in the file when the call returns. Never throws. */
export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { sessionId, now, onProblem = () => {} } = options;
  const file = new SharedFile(options.file, options.maxBytes ?? MAX_BYTES);
  let failed = false;
  const audit = (record: AuditRecord): void => {
    try {
      file.append(toLine(record, { at: now().toISOString(), session: sessionId }));
    } catch (error) {
      if (failed) return;
      failed = true;
      onProblem(
        `Decisions about calls are not recorded: \`${options.file}\` cannot be written (${errorMessage(error)}).`,
      );
    }
  };
  return Object.assign(audit, {
    [Symbol.asyncDispose]: async () => file.close(),
  });
}

function toLine(record: AuditRecord, head: { at: string; session: string }): string {
  const fields = Object.entries({ ...head, ...record }).map(([name, value]) => [
    name,
    typeof value === "string" ? value.slice(0, MAX_TEXT) : value,
  ]);
  // ASCII only, so that nothing in it can disguise itself where the log is read.
  return `${JSON.stringify(Object.fromEntries(fields)).replace(/[^ -~]/g, toEscape)}\n`;
}

function toEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Several processes append whole lines to it, and one of them puts it aside when it is full. */
class SharedFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number | undefined;
  /** The last line was cut short, by a full disk. */
  #torn = false;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  append(line: string): void {
    const fd = this.#open();
    // One write, in append mode: lines of other agents come before or after it, never inside.
    const bytes = Buffer.from(this.#torn ? `\n${line}` : line);
    const written = writeSync(fd, bytes);
    this.#torn = written < bytes.length;
    if (this.#torn) throw new Error("the disk is full");
  }

  close(): void {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    closeSync(fd);
  }

  /** The file that has the name now, with room in it. */
  #open(): number {
    if (this.#fd !== undefined && !isCurrent(this.#fd, this.#path)) this.close();
    let fd = (this.#fd ??= openLog(this.#path));
    if (fstatSync(fd).size < this.#maxBytes || !this.#putAside()) return fd;
    this.close();
    fd = openLog(this.#path);
    this.#fd = fd;
    return fd;
  }

  /** False when another agent is doing it: the record then goes into the full file. */
  #putAside(): boolean {
    const release = tryLock(`${this.#path}.lock`);
    if (release === undefined) return false;
    try {
      // Looked at again under the lock: what another agent has begun is not put aside too.
      if (lstatSync(this.#path).size >= this.#maxBytes) renameSync(this.#path, `${this.#path}.1`);
      return true;
    } finally {
      release();
    }
  }
}

function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  // Windows knows neither of the last two.
  const flags = O_WRONLY | O_APPEND | O_CREAT | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);
  const fd = openSync(path, flags, 0o600);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error("it is no regular file");
    if (process.platform !== "win32" && (stats.mode & 0o077) !== 0) fchmodSync(fd, 0o600);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function isCurrent(fd: number, path: string): boolean {
  const there = lstatSync(path, { throwIfNoEntry: false });
  const own = fstatSync(fd);
  return there !== undefined && there.ino === own.ino && there.dev === own.dev;
}
