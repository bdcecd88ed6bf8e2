/** The record that stands for turns which were left out: a summary by the model or a list made by rule, and the state word for word. */
import { byteLength } from "./message-size.ts";
import { messageText, type Message } from "./message.ts";
import { capText } from "./result.ts";
import {
  findKeptPath,
  toCallRecords,
  toFilePath,
  toMainArgument,
  toOutcome,
  toShortLine,
  type CallRecord,
} from "./transcript.ts";

const HEADER = "Record of earlier steps, which were left out to save room:";
const STATE = "\n\nState as it is now:\n";
const FILES = "Files changed: ";
/** Parts of the room for the list: what an earlier record said, and which files were changed. */
const EARLIER_SHARE = 0.4;
const FILES_SHARE = 0.25;
const SAID_CHARACTERS = 160;

export function toRecordText(body: string, state: string): string {
  return `${HEADER}\n${body.trim()}${state.trim() === "" ? "" : `${STATE}${state.trim()}`}`;
}

export interface ListOptions {
  maxBytes: number;
  /** Where results were saved, by the index of the message. */
  paths: ReadonlyMap<number, string>;
}

/** One line a call: tool, main argument, outcome, saved path. The oldest lines go when there is no room for all. */
export function toList(messages: readonly Message[], { maxBytes, paths }: ListOptions): string {
  const earlier = messages.map(toEarlierBody).filter((body) => body !== undefined);
  const records = toCallRecords(messages);
  const files = toFilesLine(earlier, records, Math.floor(maxBytes * FILES_SHARE));
  const before = earlier.map(withoutFiles).join("\n").trim();
  const head = [
    ...(before === "" ? [] : [capText(before, Math.floor(maxBytes * EARLIER_SHARE))]),
    ...(files === undefined ? [] : [files]),
  ].join("\n");
  const lines = toLines(messages, records, paths);
  return `${head}${head === "" ? "" : "\n"}${fitLines(lines, maxBytes - byteLength(head))}`;
}

function toLines(
  messages: readonly Message[],
  records: readonly CallRecord[],
  paths: ReadonlyMap<number, string>,
): string[] {
  const calls = new Map(records.map((record) => [record.at, toLine(record, paths.get(record.at))]));
  const lines = messages.flatMap((message, at) => {
    const call = calls.get(at);
    if (call !== undefined) return [call];
    if (message.role !== "assistant" || message.note !== undefined || message.tool_calls?.length) return [];
    const said = toShortLine(messageText(message), SAID_CHARACTERS);
    return said === "" ? [] : [`- said: ${said}`];
  });
  return joinSame(lines);
}

function toLine(record: CallRecord, savedPath: string | undefined): string {
  const main = toMainArgument(record);
  const path = findKeptPath(record) ?? savedPath;
  return `- ${record.name}${main === "" ? "" : ` ${main}`}: ${toOutcome(record)}${path === undefined ? "" : `, in ${path}`}`;
}

function joinSame(lines: readonly string[]): string[] {
  const joined: { line: string; times: number }[] = [];
  for (const line of lines) {
    const last = joined.at(-1);
    if (last?.line === line) last.times += 1;
    else joined.push({ line, times: 1 });
  }
  return joined.map(({ line, times }) => (times === 1 ? line : `${line} (${times} times)`));
}

function fitLines(lines: readonly string[], maxBytes: number): string {
  let bytes = 0;
  let first = lines.length;
  while (first > 0) {
    bytes += byteLength(lines[first - 1] as string) + 1;
    if (bytes > maxBytes) break;
    first -= 1;
  }
  const kept = lines.slice(first);
  return (first === 0 ? kept : [`- (${first} earlier steps)`, ...kept]).join("\n");
}

/** Names of files that were changed, those of earlier records included; the newest when there are too many. */
function toFilesLine(
  earlier: readonly string[],
  records: readonly CallRecord[],
  maxBytes: number,
): string | undefined {
  const before = earlier
    .flatMap((body) => body.split("\n"))
    .filter((line) => line.startsWith(FILES))
    .flatMap((line) => line.slice(FILES.length).split(", "));
  const now = records
    .filter(({ name, result }) => (name === "write" || name === "edit") && result?.["ok"] === true)
    .flatMap((record) => toFilePath(record) ?? [])
    .map((path) => toShortLine(path, 200));
  const all = [...new Set([...before, ...now])];
  if (all.length === 0) return undefined;
  let bytes = byteLength(FILES);
  let first = all.length;
  while (first > 0 && bytes + byteLength(all[first - 1] as string) + 2 <= maxBytes) {
    first -= 1;
    bytes += byteLength(all[first] as string) + 2;
  }
  const names = all.slice(first);
  return FILES + [...(first === 0 ? [] : [`${first} more`]), ...names].join(", ");
}

function withoutFiles(body: string): string {
  return body
    .split("\n")
    .filter((line) => !line.startsWith(FILES))
    .join("\n");
}

/** What an earlier record says, without the state, which is told anew. */
export function toEarlierBody(message: Message): string | undefined {
  if (message.role === "system" || message.role === "tool" || message.note !== "compaction") return undefined;
  const text = messageText(message);
  if (!text.startsWith(HEADER)) return undefined;
  const end = text.lastIndexOf(STATE);
  return text.slice(HEADER.length, end < 0 ? undefined : end).trim();
}
