/**
 * What went between a client and its server, byte for byte but for secrets, so that it can be played again without the server.
 *
 * The file format is JSON Lines, one `RecordingEntry` a line, in the order in which things happened. The first line is the head
 * (`{"type":"recording","version":1}`); a file that is written on later has one more head where the next part begins, and numbers
 * of exchanges count from 0 in each part. Entries of exchanges that ran at the same time are mixed. One exchange is a `request`, then a
 * `response` with `chunk`s and an `end`, or a `failure` at any point; `left` is an end that the client brought about by not reading on. Times
 * are milliseconds since the head; chunks have the time at which they came and are written when their body is over. A last line without its end was being written when the program was killed, and does not count.
 */
import { AgentError } from "../core/errors.ts";
import { toObject } from "./json.ts";
import type { ConnectionFailureKind } from "./transport.ts";

export type RecordingEntry =
  | { type: "recording"; version: 1 }
  | {
      type: "request";
      exchange: number;
      atMs: number;
      method: "GET" | "POST";
      url: string;
      /** Without those that carry keys. */
      headers: Readonly<Record<string, string>>;
      body?: string;
    }
  | {
      type: "response";
      exchange: number;
      atMs: number;
      status: number;
      /** Without cookies. */
      headers: Readonly<Record<string, string>>;
    }
  /** A piece of the body; bytes that are no UTF-8 are U+FFFD, and characters are never cut in two. */
  | { type: "chunk"; exchange: number; atMs: number; text: string }
  | { type: "end"; exchange: number; atMs: number }
  | { type: "left"; exchange: number; atMs: number }
  | {
      type: "failure";
      exchange: number;
      atMs: number;
      kind: ConnectionFailureKind | "aborted";
      message: string;
    };

/** One line of the file, its end included. */
export function formatRecordingEntry(entry: RecordingEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** Throws `AgentError` `session_corrupt` for a line that is none of a recording, and for a version that is not known. */
export function parseRecording(text: string): RecordingEntry[] {
  const lines = text.split("\n");
  // Empty after the last line end; else a line that was not finished.
  lines.pop();
  const entries = lines.flatMap((line, at) => (line.trim() === "" ? [] : [parseEntry(line, at + 1)]));
  if (entries[0]?.type !== "recording") throw corrupt(1, "a recording begins with its head");
  return entries;
}

const KINDS: readonly string[] = [
  "refused",
  "unreachable",
  "dropped",
  "no_tls",
  "other",
  "aborted",
] satisfies (ConnectionFailureKind | "aborted")[];

type Fields = Readonly<Record<string, unknown>>;

const isText = (value: unknown): boolean => typeof value === "string";
const isHeaders = (value: unknown): boolean =>
  toObject(value) === value && Object.values(toObject(value)).every(isText);
const isExchange = ({ exchange, atMs }: Fields): boolean =>
  Number.isSafeInteger(exchange) && typeof atMs === "number";

const CHECKS: Readonly<Record<RecordingEntry["type"], (entry: Fields) => boolean>> = {
  recording: ({ version }) => version === 1,
  request: (entry) =>
    isExchange(entry) &&
    (entry["method"] === "GET" || entry["method"] === "POST") &&
    isText(entry["url"]) &&
    isHeaders(entry["headers"]) &&
    (entry["body"] === undefined || isText(entry["body"])),
  response: (entry) => isExchange(entry) && Number.isInteger(entry["status"]) && isHeaders(entry["headers"]),
  chunk: (entry) => isExchange(entry) && isText(entry["text"]),
  end: isExchange,
  left: isExchange,
  failure: (entry) => isExchange(entry) && KINDS.includes(String(entry["kind"])) && isText(entry["message"]),
};

function parseEntry(line: string, number: number): RecordingEntry {
  let entry: Fields;
  try {
    entry = toObject(JSON.parse(line));
  } catch {
    throw corrupt(number, "no JSON");
  }
  const type = String(entry["type"]);
  if (type === "recording" && entry["version"] !== 1)
    throw corrupt(number, `version \`${String(entry["version"])}\` is not known`);
  if (!Object.hasOwn(CHECKS, type) || !CHECKS[type as RecordingEntry["type"]](entry))
    throw corrupt(number, `no entry of a recording: \`${line.slice(0, 80)}\``);
  return entry as unknown as RecordingEntry;
}

function corrupt(line: number, why: string): AgentError {
  const message = `Line ${line} of the recording cannot be used: ${why}. Record the session again, or cut the file before that line.`;
  return new AgentError("session_corrupt", message, { data: { line } });
}
