/** Reads a conversation back as the calls that were made and what came of them. */
import { byteLength } from "./message-size.ts";
import type { Message } from "./message.ts";
import { parseObject } from "./json-object.ts";

export interface CallRecord {
  id: string;
  /** Index of the message that made the call. */
  madeAt: number;
  /** Index of the message with the result. */
  at: number;
  name: string;
  arguments: Readonly<Record<string, unknown>>;
  content: string;
  /** The result, when it is one in JSON. */
  result: Readonly<Record<string, unknown>> | undefined;
  bytes: number;
}

/** In order of the results. Ids may come again later: a result belongs to the newest call before it. */
export function toCallRecords(messages: readonly Message[]): CallRecord[] {
  const records: CallRecord[] = [];
  let open = new Map<string, { name: string; arguments: string }[]>();
  let madeAt = -1;
  for (const [at, message] of messages.entries()) {
    if (message.role === "assistant") {
      open = new Map();
      madeAt = at;
      for (const { id, function: made } of message.tool_calls ?? [])
        open.set(id, [...(open.get(id) ?? []), made]);
    }
    if (message.role !== "tool") continue;
    const made = open.get(message.tool_call_id)?.shift() ?? { name: "unknown", arguments: "{}" };
    const { content } = message;
    records.push({
      id: message.tool_call_id,
      madeAt,
      at,
      name: made.name,
      arguments: parseObject(made.arguments) ?? {},
      content,
      result: parseObject(content),
      bytes: byteLength(content),
    });
  }
  return records;
}

/** Where the newest turn begins: calls whose results the model has not answered yet, or what came after its last words. */
export function newestTurnStart(messages: readonly Message[]): number {
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  const message = messages[last];
  if (message?.role !== "assistant") return Math.min(1, messages.length);
  return (message.tool_calls?.length ?? 0) > 0 ? last : last + 1;
}

/** The user's own words, which nothing leaves out. */
export function isOwnRequest(message: Message): boolean {
  return message.role === "user" && message.note === undefined;
}

/** Whether a request of its own begins with it, and not what joined one that was under way. `note`: of the event that it came with. */
export function beginsRequest(message: Message, note: string | undefined): boolean {
  return isOwnRequest(message) && (note === undefined || note === "follow_up");
}

const MAIN_ARGUMENTS = ["path", "command", "pattern", "query", "url", "name", "text"];
const MAX_ARGUMENT_CHARACTERS = 100;

/** What the call was about, in one line; empty when it has no text to tell. */
export function toMainArgument({ arguments: given }: CallRecord): string {
  const named = MAIN_ARGUMENTS.map((name) => given[name]).find((value) => typeof value === "string");
  const main = named ?? Object.values(given).find((value) => typeof value === "string");
  return typeof main === "string" ? toShortLine(main, MAX_ARGUMENT_CHARACTERS) : "";
}

/** One line of at most so many characters, never with half a character at its end. */
export function toShortLine(text: string, maxCharacters: number): string {
  const line = text
    .slice(0, maxCharacters * 4)
    .replace(/\s+/g, " ")
    .trim();
  if (line.length <= maxCharacters) return line;
  return `${line.slice(0, maxCharacters).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/** The path of a file tool, in one spelling. */
export function toFilePath({ arguments: { path } }: CallRecord): string | undefined {
  return typeof path === "string" ? path.replace(/\/{2,}/g, "/").replace(/^(?:\.\/)+/, "") : undefined;
}

/**
 * Where the whole of a result lies already, as the tool itself has said, or an earlier compaction. Such files are named after the call; any
 * other name is only a part of what was read.
 */
export function findKeptPath({ id, result }: CallRecord): string | undefined {
  const text = typeof result?.["output"] === "string" ? result["output"] : result?.["error"];
  if (typeof text !== "string") return undefined;
  const name = id.replaceAll(/[^\w-]/g, "_").slice(0, 64);
  const found =
    /(?:whole output: |its beginning: |\(left out: .{0,400} in )(\.lmagent\/outputs\/([\w-]{1,80})\.txt)/.exec(
      text,
    );
  return found?.[2]?.startsWith(name) ? found[1] : undefined;
}

const LEFT_OUT = /^\(left out: .{0,400}?\) /;

/** How a call ended, in a few words. */
export function toOutcome({ result, content }: CallRecord): string {
  const code = result?.["exit_code"];
  if (typeof code === "number") return `exit ${code}`;
  if (result?.["ok"] === true) return "ok";
  const error = result?.["error"];
  return `failed: ${toShortLine(typeof error === "string" ? error.replace(LEFT_OUT, "") : content, 80)}`;
}
