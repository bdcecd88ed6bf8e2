import type { FileHandle } from "node:fs/promises";
import { AgentError } from "../core/errors.ts";
import { LOG_LIMITS } from "./read-log.ts";
import { toStorageError } from "./state-folder.ts";

export interface LogWriterOptions {
  /** For messages. */
  path: string;
  /** Size of the file as it was read. */
  fileBytes: number;
  /** What of it is kept; the rest is a torn line and is cut off before the first write. */
  goodBytes: number;
  /** Written before the first line: a lost header or a lost newline. */
  prefix: string;
}

interface Pending {
  bytes: Buffer;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Appends lines through one descriptor (opened with O_APPEND) and flushes them to the disk. Lines that arrive during a flush share the
 * next one. After a failure nothing is written any more, so that the file never has a gap.
 */
export class LogWriter {
  readonly #file: FileHandle;
  readonly #path: string;
  #fileBytes: number;
  #goodBytes: number;
  #prefix: string;
  #pending: Pending[] = [];
  #draining: Promise<void> | undefined;
  #refusal: AgentError | undefined;

  constructor(file: FileHandle, { path, fileBytes, goodBytes, prefix }: LogWriterOptions) {
    this.#file = file;
    this.#path = path;
    this.#fileBytes = fileBytes;
    this.#goodBytes = goodBytes;
    this.#prefix = prefix;
  }

  /** Throws `storage_failed` for a line that could not be read back or may not be written; the writer stays as it is. */
  check(line: string): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    const bytes = Buffer.byteLength(line);
    if (bytes > LOG_LIMITS.recordBytes)
      throw this.#tooLarge(`one record of ${bytes} bytes`, LOG_LIMITS.recordBytes);
    if (this.#fileBytes + bytes > LOG_LIMITS.fileBytes)
      throw this.#tooLarge("the session", LOG_LIMITS.fileBytes);
  }

  /** Resolves when the line is on disk. Throws `storage_failed`. */
  append(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ bytes: Buffer.from(`${line}\n`), resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Resolves when all that was appended is on disk, and the file is as this writer left it. Throws `storage_failed`. */
  async settle(): Promise<void> {
    await this.#draining;
    if (this.#refusal !== undefined) throw this.#refusal;
    await this.#requireUnchanged();
  }

  async close(): Promise<void> {
    await this.#draining;
    this.#refusal ??= new AgentError(
      "storage_failed",
      `Cannot write \`${this.#path}\`: the session was closed. Open it again.`,
      {
        data: { path: this.#path },
      },
    );
    await this.#file.close();
  }

  async #drain(): Promise<void> {
    // Lines that are appended together are flushed together.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        if (this.#refusal !== undefined) throw this.#refusal;
        await this.#write(Buffer.concat([Buffer.from(this.#prefix), ...batch.map(({ bytes }) => bytes)]));
        this.#prefix = "";
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.#refusal ??= AgentError.is(error) ? error : toStorageError("write", this.#path, error);
        for (const { reject } of batch) reject(this.#refusal);
      }
    }
    this.#draining = undefined;
  }

  async #write(bytes: Buffer): Promise<void> {
    await this.#requireUnchanged();
    try {
      if (this.#goodBytes < this.#fileBytes) await this.#file.truncate(this.#goodBytes);
      this.#fileBytes = this.#goodBytes;
      for (let written = 0; written < bytes.length;) {
        written += (await this.#file.write(bytes, written)).bytesWritten;
      }
      await this.#file.datasync();
    } catch (error) {
      // What was not acknowledged must not be found later; when even this fails, the torn line is dropped on load.
      await this.#file.truncate(this.#goodBytes).catch(() => undefined);
      throw error;
    }
    this.#goodBytes += bytes.length;
    this.#fileBytes = this.#goodBytes;
  }

  /** Writing to a file that was removed or changed behind our back would lose the session without a word. */
  async #requireUnchanged(): Promise<void> {
    const { nlink, size } = await this.#file.stat();
    if (nlink > 0 && size === this.#fileBytes) return;
    const what = nlink === 0 ? "it was removed" : "another program changed it";
    throw new AgentError(
      "storage_failed",
      `Cannot write \`${this.#path}\`: ${what} while the session was open. Start a new session.`,
      {
        data: { path: this.#path },
      },
    );
  }

  #tooLarge(what: string, limitBytes: number): AgentError {
    const message = `Cannot write \`${this.#path}\`: ${what} would be larger than ${limitBytes / 1024 / 1024} MiB. Start a new session.`;
    return new AgentError("storage_failed", message, { data: { path: this.#path, errno: "EFBIG" } });
  }
}
