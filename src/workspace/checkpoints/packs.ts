/**
 * Bytes kept under their SHA-256. Each process appends to a file of its own, `<name>.pack`, in blocks of several objects, so that a
 * thousand small files cost one write and one flush. A block is a head, an index as JSON and the bytes, deflated where that pays; what a
 * crash has cut off at the end is overlooked.
 */
import { hash as hashOf } from "node:crypto";
import {
  closeSync,
  constants,
  fchownSync,
  fdatasync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  write,
} from "node:fs";
import { promisify } from "node:util";
import { constants as zlib, deflateRaw, deflateRawSync, inflateRawSync } from "node:zlib";
import { AgentError } from "../../core/errors.ts";
import { type Folder, openRegular } from "../folder.ts";
import { ownerIn } from "../owner.ts";
import { isCount, isHash } from "./file-state.ts";

const writeAsync = promisify(write);
const datasyncAsync = promisify(fdatasync);
const deflateAsync = promisify(deflateRaw);

const MAGIC = 0x4c4d_4350;
const HEAD_BYTES = 20;
const BLOCK_BYTES = 512 * 1024;
const MAX_BLOCK_BYTES = 64 * 1024 * 1024;
const MAX_INDEX_BYTES = 16 * 1024 * 1024;
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
const WORTH_DEFLATING_BYTES = 512;
const QUICK_BYTES = 16 * 1024;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const LEVEL = { level: zlib.Z_BEST_SPEED };
export const PACK = ".pack";

interface Block {
  pack: string;
  /** Of the bytes. */
  at: number;
  storedBytes: number;
  rawBytes: number;
}

type Location = { block: Block; offset: number; size: number } | { waiting: Buffer };

interface Waiting {
  hash: string;
  bytes: Buffer;
}

export class Packs {
  readonly #folder: () => Folder;
  readonly #name: string;
  readonly #known = new Map<string, Location>();
  readonly #loaded = new Map<string, number>();
  #fd: number | undefined;
  #length = 0;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #queuedBytes = 0;
  #tail: Promise<void> = Promise.resolve();
  #unsynced = false;
  #failure: { error: unknown } | undefined;
  #last: { block: Block; bytes: Buffer } | undefined;

  /** `folder` makes what is missing; `name` is this process's own. */
  constructor(folder: () => Folder, name: string) {
    this.#folder = folder;
    this.#name = `${name}${PACK}`;
  }

  has(hash: string): boolean {
    return this.#known.has(hash);
  }

  /** Waits only when too much is waiting to be written. */
  async put(hash: string, bytes: Buffer): Promise<void> {
    if (this.#known.has(hash)) return;
    this.#known.set(hash, { waiting: bytes });
    this.#waiting.push({ hash, bytes });
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= BLOCK_BYTES) this.#seal();
    if (this.#queuedBytes > MAX_QUEUED_BYTES) await this.#tail;
  }

  /** Everything that was put is in the file; with `sync`, also after a power cut. Throws the system's error. */
  async flush({ sync }: { sync: boolean }): Promise<void> {
    this.#seal();
    await this.#tail;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
    if (!sync || !this.#unsynced || this.#fd === undefined) return;
    await datasyncAsync(this.#fd);
    this.#unsynced = false;
  }

  /** Makes what was flushed safe from a power cut while other things go on. */
  syncLater(): void {
    this.flush({ sync: true }).catch(() => {
      // The next flush says why.
      this.#unsynced = true;
    });
  }

  /** Throws `storage_failed` when it is missing or damaged. */
  async read(hash: string): Promise<Buffer> {
    if (!this.#known.has(hash)) this.load();
    const location = this.#known.get(hash);
    if (location === undefined) throw damaged(`the object ${hash} is missing`);
    const bytes = "waiting" in location ? location.waiting : this.#readAt(location);
    if (hashOf("sha256", bytes, "hex") !== hash) throw damaged(`the object ${hash} is not what it was`);
    return bytes;
  }

  /** Learns what other processes have added. */
  load(): void {
    const folder = this.#folder();
    for (const pack of readdirSync(folder.path)) {
      if (pack.endsWith(PACK) && pack !== this.#name) this.#loadPack(folder, pack);
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** Files of other processes that something is known to be in. */
  get others(): readonly string[] {
    return [...this.#loaded.keys()];
  }

  /** The objects in a file. */
  objectsIn(pack: string): { hash: string; size: number }[] {
    const found: { hash: string; size: number }[] = [];
    for (const [hash, location] of this.#known)
      if ("block" in location && location.block.pack === pack) found.push({ hash, size: location.size });
    return found;
  }

  sizeOf(hash: string): number {
    const location = this.#known.get(hash);
    if (location === undefined) return 0;
    return "block" in location ? location.size : location.waiting.length;
  }

  /** Keeps an object of another file in our own too. */
  async move(hash: string): Promise<void> {
    const bytes = await this.read(hash);
    this.#known.delete(hash);
    await this.put(hash, bytes);
  }

  /** Forgets a file that is removed. */
  forget(pack: string): void {
    for (const { hash } of this.objectsIn(pack)) this.#known.delete(hash);
    this.#loaded.delete(pack);
  }

  /** Another process may have removed files of processes that are gone. */
  forgetVanished(): void {
    if (this.#fd !== undefined && fstatSync(this.#fd).nlink === 0) this.#beginAgain();
    if (this.#loaded.size === 0) return;
    const { path } = this.#folder();
    for (const pack of this.others)
      if (lstatSync(`${path}/${pack}`, { throwIfNoEntry: false }) === undefined) this.forget(pack);
  }

  /** Somebody has removed our own file. */
  #beginAgain(): void {
    this.close();
    this.forget(this.#name);
    this.#length = 0;
  }

  #seal(): void {
    if (this.#waiting.length === 0) return;
    const objects = this.#waiting;
    const rawBytes = this.#waitingBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#queuedBytes += rawBytes;
    this.#unsynced = true;
    const append = async (): Promise<void> => {
      try {
        await this.#append(objects, rawBytes);
      } catch (error) {
        // What could not be written is not known either; `flush` says why.
        for (const { hash } of objects) this.#known.delete(hash);
        this.#failure ??= { error };
      }
    };
    this.#tail = this.#tail.then(append);
  }

  async #append(objects: readonly Waiting[], rawBytes: number): Promise<void> {
    try {
      const raw =
        objects.length === 1
          ? (objects[0] as Waiting).bytes
          : Buffer.concat(objects.map((each) => each.bytes));
      const stored = await deflated(raw);
      const index = Buffer.from(JSON.stringify(objects.map(({ hash, bytes }) => [hash, bytes.length])));
      const head = Buffer.alloc(HEAD_BYTES);
      head.writeUInt32BE(MAGIC, 0);
      head.writeUInt32BE(index.length, 4);
      head.writeUInt32BE(stored.length, 8);
      head.writeUInt32BE(rawBytes, 12);
      head.writeUInt32BE(objects.length, 16);
      await this.#write(Buffer.concat([head, index, stored]));
      const at = this.#length - stored.length;
      this.#note({ pack: this.#name, at, storedBytes: stored.length, rawBytes }, objects);
    } finally {
      this.#queuedBytes -= rawBytes;
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    this.#fd ??= this.#create();
    let written = 0;
    while (written < bytes.length) {
      const at = this.#length + written;
      written += (await writeAsync(this.#fd, bytes, written, bytes.length - written, at)).bytesWritten;
    }
    this.#length += bytes.length;
  }

  #note(block: Block, objects: readonly { hash: string; bytes: { length: number } }[]): void {
    let offset = 0;
    for (const { hash, bytes } of objects) {
      this.#known.set(hash, { block, offset, size: bytes.length });
      offset += bytes.length;
    }
  }

  #create(): number {
    const folder = this.#folder();
    const fd = openSync(`${folder.path}/${this.#name}`, NEW_FILE, 0o600);
    const owner = ownerIn(folder);
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    return fd;
  }

  #loadPack(folder: Folder, pack: string): void {
    let fd: number;
    try {
      fd = openRegular(folder, pack, pack);
    } catch {
      return;
    }
    try {
      const { size } = fstatSync(fd);
      let at = this.#loaded.get(pack) ?? 0;
      let last: ReadBlock["index"] = [];
      for (let next = readBlock(fd, at, size); next !== undefined; next = readBlock(fd, at, size)) {
        const { index, ...block } = next;
        this.#note({ pack, ...block }, index);
        last = index;
        at = block.at + block.storedBytes;
      }
      this.#loaded.set(pack, at);
      this.#check(last.map(({ hash }) => hash));
    } finally {
      closeSync(fd);
    }
  }

  /** What was written last may have been cut off by a power cut although its place was kept: then it is not there. */
  #check(hashes: readonly string[]): void {
    for (const hash of hashes) {
      const location = this.#known.get(hash);
      if (location === undefined || !("block" in location)) continue;
      try {
        if (hashOf("sha256", this.#readAt(location), "hex") === hash) continue;
      } catch {
        // Not there either.
      }
      this.#known.delete(hash);
    }
  }

  #readAt({ block, offset, size }: Extract<Location, { block: Block }>): Buffer {
    if (this.#last?.block !== block) this.#last = { block, bytes: this.#readWhole(block) };
    return Buffer.from(this.#last.bytes.subarray(offset, offset + size));
  }

  #readWhole({ pack, at, storedBytes, rawBytes }: Block): Buffer {
    try {
      const fd = openRegular(this.#folder(), pack, pack);
      try {
        const stored = readAt(fd, at, storedBytes);
        return storedBytes === rawBytes ? stored : inflateRawSync(stored, { maxOutputLength: rawBytes });
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw damaged(`\`${pack}\` cannot be read`, error);
    }
  }
}

/** As it is when deflating does not pay; a block is deflated exactly when it is shorter than its bytes. */
async function deflated(raw: Buffer): Promise<Buffer> {
  if (raw.length < WORTH_DEFLATING_BYTES) return raw;
  const short = raw.length <= QUICK_BYTES ? deflateRawSync(raw, LEVEL) : await deflateAsync(raw, LEVEL);
  return short.length < raw.length * 0.9 ? short : raw;
}

interface ReadBlock extends Omit<Block, "pack"> {
  index: { hash: string; bytes: { length: number } }[];
}

/** `undefined` at the end, and where the rest makes no sense. */
function readBlock(fd: number, start: number, fileBytes: number): ReadBlock | undefined {
  if (start + HEAD_BYTES > fileBytes) return undefined;
  const head = readAt(fd, start, HEAD_BYTES);
  if (head.readUInt32BE(0) !== MAGIC) return undefined;
  const indexBytes = head.readUInt32BE(4);
  const storedBytes = head.readUInt32BE(8);
  const rawBytes = head.readUInt32BE(12);
  const at = start + HEAD_BYTES + indexBytes;
  if (indexBytes > MAX_INDEX_BYTES || rawBytes > MAX_BLOCK_BYTES || at + storedBytes > fileBytes)
    return undefined;
  const index = parseIndex(readAt(fd, start + HEAD_BYTES, indexBytes).toString("utf8"), rawBytes);
  return index && { at, storedBytes, rawBytes, index };
}

function parseIndex(text: string, rawBytes: number): ReadBlock["index"] | undefined {
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(input)) return undefined;
  const index: ReadBlock["index"] = [];
  let total = 0;
  for (const each of input as unknown[]) {
    const [hash, length] = Array.isArray(each) ? (each as unknown[]) : [];
    if (!isHash(hash) || !isCount(length)) return undefined;
    total += length;
    index.push({ hash, bytes: { length } });
  }
  return total === rawBytes ? index : undefined;
}

function readAt(fd: number, at: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  for (let filled = 0; filled < length;) {
    const count = readSync(fd, buffer, filled, length - filled, at + filled);
    if (count === 0) throw new Error("the file is shorter than it says");
    filled += count;
  }
  return buffer;
}

export function damaged(why: string, cause?: unknown): AgentError {
  return new AgentError(
    "storage_failed",
    `A checkpoint cannot be used: ${why}. Files are as they are; restore them with git or from a backup.`,
    { cause },
  );
}
