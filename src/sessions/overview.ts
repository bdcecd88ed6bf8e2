/** What every store says about a session in a list. */
import type { SessionSummary } from "../core/session.ts";
import { isKnownRecord } from "./record.ts";
import type { StoredRecord } from "./record.ts";

const TASK_CHARS = 200;

/** First words of a request. Text from a file in the workspace goes to a terminal: nothing in it may move the cursor or turn the writing direction. */
export function toTask(text: string): string {
  const clean = text
    .slice(0, 20 * TASK_CHARS)
    .trimStart()
    .slice(0, 4 * TASK_CHARS)
    .replaceAll(/[\p{Cc}\s\u200E\u200F\u202A-\u202E\u2066-\u2069]+/gu, " ")
    .trim();
  // Never half of a character.
  return clean.slice(0, TASK_CHARS).replace(/[\uD800-\uDBFF]$/u, "");
}

/** `undone` stands in for the run before what was taken back. */
export function saysHowRunWent(type: string): boolean {
  return type === "run_started" || type === "run_finished" || type === "undone";
}

/** `run` is the last record that says how a run went, if any. */
export function toStatus(run: StoredRecord | undefined, messages: number): SessionSummary["status"] {
  const known = run !== undefined && isKnownRecord(run) ? run : undefined;
  const reason = known?.type === "run_finished" || known?.type === "undone" ? known.reason : undefined;
  if (reason !== undefined) return reason;
  return messages === 0 ? "new" : "interrupted";
}

export function byNewest(left: SessionSummary, right: SessionSummary): number {
  if (left.updatedAt !== right.updatedAt) return left.updatedAt < right.updatedAt ? 1 : -1;
  return left.id < right.id ? 1 : -1;
}
