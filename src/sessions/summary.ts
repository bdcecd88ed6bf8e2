/** What a list shows of each session, from the beginning and the end of its file: a list stays quick however long the sessions are. */
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "../core/errors.ts";
import { messageText } from "../core/message.ts";
import type { SessionSummary } from "../core/session.ts";
import { LOG_LIMITS, openLogFile, readLines } from "./read-log.ts";
import { isKnownRecord, parseHeader, parseRecord } from "./record.ts";
import type { StoredHeader, StoredRecord } from "./record.ts";
import { byNewest, saysHowRunWent, toStatus, toTask } from "./overview.ts";
import { isSessionId, toCreatedAt } from "./session-id.ts";
import { readLocks } from "./session-lock.ts";
import type { StateFolder } from "./state-folder.ts";

/** How far into a file the first request is looked for. */
const HEAD_BYTES = 4 * 1024 * 1024;
/** How far it is looked for whether that request was taken back. */
const CORRECTED_BYTES = 256 * 1024;
const TAIL_BYTES = 64 * 1024;
const AT_ONCE = 4;

/** Newest change first. A file that cannot be read is listed with status `error` and the reason in place of its task. */
export async function listSummaries(folder: StateFolder): Promise<SessionSummary[]> {
  const names = await folder.names();
  const ids = names.filter((name) => name.endsWith(".jsonl")).map((name) => name.slice(0, -".jsonl".length));
  const active = new Set((await readLocks(folder)).map(({ sessionId }) => sessionId));
  const queue = ids.filter(isSessionId);
  const summaries: SessionSummary[] = [];
  const work = async () => {
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      const summary = await summarize(folder, id);
      if (summary !== undefined) summaries.push(active.has(id) ? { ...summary, status: "active" } : summary);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return summaries.sort(byNewest);
}

async function summarize(folder: StateFolder, id: string): Promise<SessionSummary | undefined> {
  const name = `${id}.jsonl`;
  try {
    await using file = await openLogFile(folder, name, constants.O_RDONLY);
    if (file === undefined) return undefined;
    const head = await readHead(file, id);
    const tail = await readTail(file);
    const updatedAt = tail.last?.at ?? head.createdAt;
    return {
      id,
      ...head,
      updatedAt,
      messages: tail.last?.count ?? 0,
      status: toStatus(tail.run, tail.last?.count ?? 0),
    };
  } catch (error) {
    const createdAt = toCreatedAt(id);
    const reason = errorMessage(error).replaceAll(join(folder.path, name), name);
    return {
      id,
      createdAt,
      updatedAt: createdAt,
      task: toTask(`cannot be read: ${reason}`),
      messages: 0,
      status: "error",
    };
  }
}

type Head = Pick<SessionSummary, "createdAt" | "forkedFrom" | "task">;

async function readHead(file: FileHandle, id: string): Promise<Head> {
  let start: Omit<Head, "task"> | undefined;
  const task = new FirstTask();
  for await (const line of readLines(file, HEAD_BYTES)) {
    if (task.found && line.end > CORRECTED_BYTES) break;
    if (start !== undefined) {
      task.add(line.bytes);
      continue;
    }
    const header = parseHeader(line.bytes.toString());
    if (!header.ok && line.terminated) throw new Error("its first line is not the header of a session");
    if (header.ok) start = toStart(header.value);
  }
  return { createdAt: toCreatedAt(id), ...start, task: task.text };
}

function toStart({ createdAt, forkedFrom }: StoredHeader): Omit<Head, "task"> {
  return { createdAt, ...(forkedFrom === undefined ? {} : { forkedFrom }) };
}

/** The first request, unless it was taken back. */
class FirstTask {
  readonly #before = new Set<string | null>([null]);
  #task: string | undefined;

  get found(): boolean {
    return this.#task !== undefined;
  }

  get text(): string {
    return this.#task ?? "";
  }

  add(line: Buffer): void {
    if (this.found && !line.includes('"type":"undone"')) return;
    const parsed = parseRecord(line.toString());
    const record = parsed.ok && isKnownRecord(parsed.value) ? parsed.value : undefined;
    if (record?.type === "undone" && this.#before.has(record.parent)) this.#task = undefined;
    if (this.found || record === undefined) return;
    if (record.type === "message" && record.message.role === "user")
      this.#task = toTask(messageText(record.message));
    else this.#before.add(record.id);
  }
}

interface Tail {
  last?: StoredRecord;
  /** The last one that says how a run went. */
  run?: StoredRecord;
}

async function readTail(file: FileHandle): Promise<Tail> {
  const { size } = await file.stat();
  for (let bytes = TAIL_BYTES; ; bytes *= 4) {
    const start = Math.max(0, size - bytes);
    const tail = toTail(await readRange(file, start, size), start > 0);
    if (tail.last !== undefined || start === 0 || bytes >= LOG_LIMITS.recordBytes) return tail;
  }
}

async function readRange(file: FileHandle, start: number, end: number): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
  return buffer.toString("utf8", 0, bytesRead);
}

function toTail(text: string, startsInside: boolean): Tail {
  const lines = text.split("\n").slice(startsInside ? 1 : 0);
  const tail: Tail = {};
  for (const line of lines.reverse()) {
    const parsed = parseRecord(line);
    if (!parsed.ok) continue;
    tail.last ??= parsed.value;
    if (!saysHowRunWent(parsed.value.type)) continue;
    tail.run = parsed.value;
    break;
  }
  return tail;
}
