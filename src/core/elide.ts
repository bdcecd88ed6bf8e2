/**
 * Old results become one line each that says what they were and where they can be had again. All in one batch, so that the prompt changes
 * once; what could be read again or is out of date goes first, then the oldest.
 */
import { byteLength } from "./message-size.ts";
import type { Message, ToolMessage } from "./message.ts";
import { toResultText } from "./result.ts";
import {
  findKeptPath,
  newestTurnStart,
  toCallRecords,
  toFilePath,
  toMainArgument,
  toShortLine,
  type CallRecord,
} from "./transcript.ts";

/** Shorter results stay: the line would hardly be shorter. */
const SMALL_BYTES = 320;
const LEAST_SAVING_BYTES = 160;
const MAX_LINE_BYTES = 600;
const ERROR_CHARACTERS = 100;
const STATE_TOOL = /^(?:todo|plan|task)_/;

export interface Elision {
  record: CallRecord;
  why: "changed" | "read_again" | "repeated" | "old";
  /** Bytes that go. */
  savedBytes: number;
}

/** What goes, in order of the conversation, until so many bytes are saved; less when there is no more. */
export function chooseElisions(messages: readonly Message[], wantedBytes: number): Elision[] {
  const records = toCallRecords(messages);
  const kept = protectedResults(messages, records);
  const outdated = toOutdated(records);
  const all = records
    .filter((record) => record.bytes > SMALL_BYTES && !kept.has(record.at) && !isElided(record))
    .map((record): Elision => {
      const why = outdated.get(record.at) ?? "old";
      const line = toElidedText({ record, why, savedBytes: 0 }, toUsualPath(record));
      return { record, why, savedBytes: record.bytes - byteLength(line) };
    })
    .filter(({ savedBytes }) => savedBytes >= LEAST_SAVING_BYTES);
  const chosen = all.filter(({ why }) => why !== "old");
  let saved = chosen.reduce((sum, { savedBytes }) => sum + savedBytes, 0);
  for (const elision of all) {
    if (saved >= wantedBytes) break;
    if (elision.why !== "old") continue;
    chosen.push(elision);
    saved += elision.savedBytes;
  }
  return chosen.sort((one, other) => one.record.at - other.record.at);
}

/** Thinking of turns before the newest one: its outcome stands in what was said and called. */
export function withoutOldThinking(messages: readonly Message[]): Message[] {
  const start = newestTurnStart(messages);
  return messages.map((message, index) => {
    if (index >= start || message.role !== "assistant" || message.reasoning_content === undefined)
      return message;
    const { reasoning_content: _thinking, ...rest } = message;
    return rest;
  });
}

/** `paths`: where originals were saved, by index of the result. */
export function applyElisions(
  messages: readonly Message[],
  elisions: readonly Elision[],
  paths: ReadonlyMap<number, string>,
): Message[] {
  const result = [...messages];
  for (const elision of elisions) {
    const { at } = elision.record;
    const { tool_call_id } = messages[at] as ToolMessage;
    result[at] = { role: "tool", tool_call_id, content: toElidedText(elision, paths.get(at)) };
  }
  return result;
}

/** A file can be read again; everything else has to be saved before it goes. */
export function needsSaving(record: CallRecord): boolean {
  return (
    record.bytes > SMALL_BYTES &&
    record.name !== "read" &&
    !isElided(record) &&
    findKeptPath(record) === undefined
  );
}

function toElidedText({ record, why }: Elision, savedPath: string | undefined): string {
  const { result } = record;
  const text = `(left out: ${toDescription(record, why)}${toWayBack(record, why, savedPath)})`;
  const code = result?.["exit_code"];
  const { error } = result ?? {};
  // What went wrong matters longer than all that was printed.
  const words = typeof error === "string" ? ` ${toShortLine(error, ERROR_CHARACTERS)}` : "";
  const line =
    result?.["ok"] === false
      ? { ok: false as const, error: text + words }
      : { ok: true as const, output: text };
  return toResultText(
    { ...line, ...(typeof code === "number" ? { exit_code: code } : {}) },
    { maxBytes: MAX_LINE_BYTES },
  );
}

function toDescription(record: CallRecord, why: Elision["why"]): string {
  const main = toMainArgument(record);
  const what = main === "" ? record.name : `${record.name} ${main}`;
  if (record.name === "read" && record.result?.["ok"] === true)
    return `${what}, ${toLines(record)}${why === "changed" ? ", before it was changed" : ""}`;
  const size = `${record.bytes} bytes`;
  return why === "repeated" ? `${what}, ${size}, the same came again later` : `${what}, ${size}`;
}

function toWayBack(record: CallRecord, why: Elision["why"], savedPath: string | undefined): string {
  if (record.name === "read")
    return why === "read_again" ? "; it was read again later" : "; read it again when needed";
  const path = findKeptPath(record) ?? savedPath;
  if (path !== undefined) return `; the whole is in ${path}`;
  return why === "repeated" ? "" : "; it was not kept, call again when needed";
}

function toLines({ arguments: { offset }, result }: CallRecord): string {
  const output = result?.["output"];
  const first = typeof offset === "number" && offset >= 1 ? Math.floor(offset) : 1;
  const text = typeof output === "string" ? output.replace(/\n$/, "") : "";
  const count = text.split("\n").length - (result?.["truncated"] === true ? 1 : 0);
  return `lines ${first} to ${first + Math.max(1, count) - 1}`;
}

/** As `applyElisions` will name it when all goes well; only its length counts. */
function toUsualPath(record: CallRecord): string | undefined {
  return needsSaving(record) ? `.lmagent/outputs/${"x".repeat(24)}.txt` : undefined;
}

export function isElided({ bytes, result }: CallRecord): boolean {
  const text = result?.["output"] ?? result?.["error"];
  return bytes <= MAX_LINE_BYTES + 60 && typeof text === "string" && text.startsWith("(left out: ");
}

/** Results of the newest turn, and the newest of each tool that tells the agent's own state. */
function protectedResults(messages: readonly Message[], records: readonly CallRecord[]): Set<number> {
  const start = newestTurnStart(messages);
  const newest = new Map(
    records.filter(({ name }) => STATE_TOOL.test(name)).map(({ name, at }) => [name, at]),
  );
  const inTurn = records.filter(({ at }) => at >= start).map(({ at }) => at);
  return new Set([...newest.values(), ...inTurn]);
}

/** Reads of what was read again or changed later, and results that came again later word for word. */
function toOutdated(records: readonly CallRecord[]): Map<number, Elision["why"]> {
  const outdated = new Map<number, Elision["why"]>();
  const laterReads = new Set<string>();
  const changed = new Set<string>();
  const later = new Set<string>();
  for (const record of records.toReversed()) {
    const path = toFilePath(record);
    const isOk = record.result?.["ok"] === true;
    const same = `${record.name}\0${record.content}`;
    if (record.name === "read" && path !== undefined && isOk) {
      if (changed.has(path)) outdated.set(record.at, "changed");
      else if (laterReads.has(path) || laterReads.has(toRange(record, path)))
        outdated.set(record.at, "read_again");
      if (!isElided(record)) laterReads.add(isWhole(record) ? path : toRange(record, path));
    }
    if ((record.name === "write" || record.name === "edit") && path !== undefined && isOk) changed.add(path);
    if (later.has(same) && !outdated.has(record.at)) outdated.set(record.at, "repeated");
    later.add(same);
  }
  return outdated;
}

function isWhole({ arguments: { offset, limit }, result }: CallRecord): boolean {
  return offset === undefined && limit === undefined && result?.["truncated"] !== true;
}

function toRange({ arguments: { offset, limit } }: CallRecord, path: string): string {
  return `${path}\0${String(offset)}\0${String(limit)}`;
}
