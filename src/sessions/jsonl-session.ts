import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Session, SessionEntry, SessionState } from "../core/session.ts";
import { countMessages, toBranch, toOpenState } from "./conversation.ts";
import { LogWriter } from "./log-writer.ts";
import type { SessionLog } from "./read-log.ts";
import { RecordChain } from "./record-chain.ts";
import { toSessionHeader } from "./record.ts";
import type { StoredHeader } from "./record.ts";
import type { StateFolder } from "./state-folder.ts";

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
  const { state, repairs } = toOpenState(toSessionHeader(header), toBranch(header.id, log.records));
  const session = new JsonlSession(state, countMessages(state.messages) - repairs.length, options);
  await Promise.all(
    repairs.map((message) => session.append({ type: "message", message, note: "interrupted" })),
  );
  return session;
}

class JsonlSession implements Session {
  readonly id: string;
  readonly state: SessionState;
  readonly #folder: StateFolder;
  readonly #release: () => void;
  readonly #chain: RecordChain;
  readonly #writer: LogWriter;
  #disposed: Promise<void> | undefined;

  constructor(
    state: SessionState,
    count: number,
    { folder, file, release, now, header, log }: JsonlSessionOptions,
  ) {
    this.id = header.id;
    this.state = state;
    this.#folder = folder;
    this.#release = release;
    this.#chain = new RecordChain(now, log.records, count);
    this.#writer = new LogWriter(file, {
      path: join(folder.path, `${header.id}.jsonl`),
      fileBytes: log.fileBytes,
      goodBytes: log.goodBytes,
      prefix: log.header === undefined ? `${JSON.stringify(header)}\n` : log.needsNewline ? "\n" : "",
    });
  }

  async append(entry: SessionEntry): Promise<void> {
    const record = this.#chain.prepare(entry);
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
    try {
      await this.#writer.close();
    } finally {
      this.#release();
      await this.#folder[Symbol.asyncDispose]();
    }
  }
}
