/** Reads a file from its start on, in pieces, and never more of it than is asked for: what a file says about its own size is not believed. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { AgentError, errorMessage } from "../../core/errors.ts";
import { ggufError } from "./gguf-error.ts";

const PIECE_BYTES = 1 << 19;
/** No header of a model is as long; the longest vocabularies take some 20 MB. */
const LIMIT_BYTES = 1 << 27;
const HIGH_WORD = 2 ** 32;

export class ByteReader implements AsyncDisposable {
  readonly path: string;
  readonly fileBytes: number;
  readonly modifiedMs: number;
  /** Set as soon as the file has told. */
  littleEndian = true;
  readonly #file: FileHandle;
  readonly #buffer: Buffer;
  readonly #view: DataView;
  /** Where in the file the buffer starts, and what of it is filled and read. */
  #start = 0;
  #end = 0;
  #at = 0;

  private constructor(path: string, file: FileHandle, facts: { size: number; mtimeMs: number }) {
    this.path = path;
    this.#file = file;
    this.fileBytes = facts.size;
    this.modifiedMs = facts.mtimeMs;
    this.#buffer = Buffer.allocUnsafe(Math.max(1, Math.min(PIECE_BYTES, facts.size)));
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
  }

  /** Throws `AgentError` `engine_failed` when there is no file that can be read. */
  static async open(path: string): Promise<ByteReader> {
    let file: FileHandle | undefined;
    try {
      // A pipe would wait for its other end.
      file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const facts = await file.stat();
      if (!facts.isFile()) throw new Error("it is no regular file");
      return new ByteReader(path, file, facts);
    } catch (cause) {
      await file?.close();
      throw new AgentError(
        "engine_failed",
        `The model file \`${path}\` cannot be read: ${errorMessage(cause)}`,
        { cause, data: { reason: "load_failed", path } },
      );
    }
  }

  get offset(): number {
    return this.#start + this.#at;
  }

  /** Bytes of the file that were not read yet. */
  get left(): number {
    return this.fileBytes - this.offset;
  }

  async u32(): Promise<number> {
    await this.#need(4);
    const value = this.#view.getUint32(this.#at, this.littleEndian);
    this.#at += 4;
    return value;
  }

  /** Throws for what is no safe integer: no size or count of a real file is. */
  async u64(what: string): Promise<number> {
    await this.#need(8);
    const value = this.#peekLength();
    if (!Number.isSafeInteger(value)) throw this.error(`${what} is ${value}, which cannot be`);
    this.#at += 8;
    return value;
  }

  /** The view and the place in it of the next `bytes`, at most 8, which count as read. */
  async take(bytes: number): Promise<{ view: DataView; at: number }> {
    await this.#need(bytes);
    const at = this.#at;
    this.#at += bytes;
    return { view: this.#view, at };
  }

  /** `undefined` for one that is longer than `limit`: it is skipped. */
  async string(what: string, limit: number): Promise<string | undefined> {
    const length = await this.u64(`the length of ${what}`);
    this.#check(length, what);
    if (length > limit) {
      await this.skip(length, what);
      return undefined;
    }
    if (length <= this.#buffer.length) {
      await this.#need(length);
      this.#at += length;
      return this.#buffer.toString("utf8", this.#at - length, this.#at);
    }
    const bytes = Buffer.alloc(length);
    for (let read = 0; read < length;) {
      const piece = Math.min(this.#buffer.length, length - read);
      await this.#need(piece);
      this.#buffer.copy(bytes, read, this.#at, this.#at + piece);
      this.#at += piece;
      read += piece;
    }
    return bytes.toString("utf8");
  }

  /** A vocabulary has hundreds of thousands of them: only refilling waits. */
  async skipStrings(count: number, what: string): Promise<void> {
    this.#check(count * 8, what);
    for (let left = count; left > 0; left -= 1) {
      if (this.#at + 8 > this.#end) await this.#need(8);
      const length = this.#peekLength();
      this.#at += 8;
      if (this.#at + length <= this.#end) this.#at += length;
      else await this.skip(length, what);
    }
  }

  async skip(bytes: number, what: string): Promise<void> {
    this.#check(bytes, what);
    this.#at += bytes;
    if (this.#at <= this.#end) return;
    this.#start += this.#at;
    this.#at = 0;
    this.#end = 0;
  }

  error(what: string, wayOut?: string): AgentError {
    return ggufError(this.path, { offset: this.offset, what, ...(wayOut === undefined ? {} : { wayOut }) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  #check(bytes: number, what: string): void {
    if (!(bytes <= this.left)) {
      throw this.error(
        `${what} would take ${bytes} bytes, and the file has ${this.left} left, so it is cut off or damaged`,
      );
    }
  }

  #peekLength(): number {
    const [low, high] = this.littleEndian ? [0, 4] : [4, 0];
    return (
      this.#view.getUint32(this.#at + high, this.littleEndian) * HIGH_WORD +
      this.#view.getUint32(this.#at + low, this.littleEndian)
    );
  }

  /** At most the buffer's size. */
  async #need(bytes: number): Promise<void> {
    if (this.#at + bytes <= this.#end) return;
    this.#check(bytes, "the next value");
    if (this.offset + bytes > LIMIT_BYTES)
      throw this.error(`its header goes on past ${LIMIT_BYTES} bytes, which no model's does`);
    this.#buffer.copyWithin(0, this.#at, this.#end);
    this.#start += this.#at;
    this.#end -= this.#at;
    this.#at = 0;
    while (this.#end < bytes) {
      const { bytesRead } = await this.#file.read(
        this.#buffer,
        this.#end,
        this.#buffer.length - this.#end,
        this.#start + this.#end,
      );
      if (bytesRead === 0) throw this.error("the file ends here; it became shorter while it was read");
      this.#end += bytesRead;
    }
  }
}
