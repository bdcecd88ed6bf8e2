import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Session, SessionEntry, SessionState } from "../core/session.ts";
import { toBranch, toOpenState, toRepairEntries } from "./conversation.ts";
import { LogWriter } from "./log-writer.ts";
import { readLog, type SessionLog } from "./read-log.ts";
import { RecordChain, type RecordPlace } from "./record-chain.ts";
import { toSessionHeader } from "./record.ts";
import type { StoredHeader } from "./record.ts";
import type { StateFolder } from "./state-folder.ts";
import { toUndo } from "./undo.ts";

export interface JsonlSessionOptions {
  folder: StateFolder;
  /** Opened for reading and appending. */
  file: FileHandle;
  /** Gives the lock back. */
  release: () => void;
  now: () => number;
  header: StoredHeader;
  log: SessionLog;
}

/** Takes over the folder, the file and the lock. Calls that were interrupted have got their results on disk when it returns. */
export async function startJsonlSession(options: JsonlSessionOptions): Promise<Session> {
  const { header, log } = options;
  const { state, repairs, count } = toOpenState(toSessionHeader(header), toBranch(header.id, log.records));
  const session = new JsonlSession(state, count, options);
  await Promise.all(toRepairEntries(repairs).map((entry) => session.append(entry)));
  return session;
}

class JsonlSession implements Session {
  readonly id: string;
  readonly state: SessionState;
  readonly #header: StoredHeader;
  readonly #folder: StateFolder;
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #release: () => void;
  readonly #chain: RecordChain;
  readonly #writer: LogWriter;
  #undoing: Promise<unknown> | undefined;
  #disposed: Promise<void> | undefined;

  constructor(
    state: SessionState,
    count: number,
    { folder, file, release, now, header, log }: JsonlSessionOptions,
  ) {
    this.id = header.id;
    this.state = state;
    this.#header = header;
    this.#folder = folder;
    this.#file = file;
    this.#path = join(folder.path, `${header.id}.jsonl`);
    this.#release = release;
    this.#chain = new RecordChain(now, log.records, count);
    this.#writer = new LogWriter(file, {
      path: this.#path,
      fileBytes: log.fileBytes,
      goodBytes: log.goodBytes,
      prefix: log.header === undefined ? `${JSON.stringify(header)}\n` : log.needsNewline ? "\n" : "",
    });
  }

  async append(entry: SessionEntry): Promise<void> {
    while (this.#undoing !== undefined) await this.#undoing;
    await this.#append(entry);
  }

  /** Reads the file again, so that a session need not hold its whole log in memory for this. */
  async undo(count: number): Promise<SessionState> {
    while (this.#undoing !== undefined) await this.#undoing;
    const undone = this.#undo(count);
    const settled = undone.catch(() => undefined).finally(() => (this.#undoing = undefined));
    this.#undoing = settled;
    return undone;
  }

  async #undo(count: number): Promise<SessionState> {
    await this.#writer.settle();
    const { records } = await readLog(this.#file, this.#path, this.id);
    const branch = toBranch(this.id, records);
    const { entry, place, open } = toUndo(toSessionHeader(this.#header), branch, count);
    const written = this.#append(entry, place);
    const repaired = toRepairEntries(open.repairs).map((repair) => this.#append(repair));
    await Promise.all([written, ...repaired]);
    return open.state;
  }

  async #append(entry: SessionEntry, place?: RecordPlace): Promise<void> {
    const record = this.#chain.prepare(entry, place);
    const line = JSON.stringify(record);
    this.#writer.check(line);
    this.#chain.commit(record);
    await this.#writer.append(line);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#close();
    return this.#disposed;
  }

  async #close(): Promise<void> {
    await this.#undoing;
    try {
      await this.#writer.close();
    } finally {
      this.#release();
      await this.#folder[Symbol.asyncDispose]();
    }
  }
}
