/** Taking back the newest requests of a session: the log goes on behind what came before them. */
import { AgentError } from "../core/errors.ts";
import { NO_ANSWER } from "../core/message.ts";
import type { SessionEntry, SessionHeader } from "../core/session.ts";
import { toOpenState, type OpenState } from "./conversation.ts";
import type { RecordPlace } from "./record-chain.ts";
import { isKnownRecord, type StoredRecord } from "./record.ts";
import { isRequest, replay } from "./replay.ts";

export interface Undo {
  /** To be stored at this place; what comes next follows it. */
  entry: SessionEntry;
  place: RecordPlace;
  /** What there is to go on from afterwards. */
  open: OpenState;
}

/** Throws `usage` when the branch has fewer requests, and `session_corrupt` as loading does. */
export function toUndo(header: SessionHeader, branch: readonly StoredRecord[], count: number): Undo {
  const places = branch.flatMap((record, index) => (isRequest(record) ? [index] : []));
  if (!Number.isInteger(count) || count < 1 || count > places.length)
    throw toCountError(count, places.length);
  const kept = branch.slice(0, findStart(branch, places.at(-count) ?? 0));
  const open = toOpenState(header, kept);
  const { mode } = replay(header, branch).state;
  const { lastReason } = open.state;
  const entry: SessionEntry = {
    type: "undone",
    requests: count,
    ...(lastReason === undefined ? {} : { reason: lastReason }),
    ...(mode === undefined ? {} : { mode }),
  };
  const state = mode === undefined ? open.state : { ...open.state, mode };
  const place = { parent: kept.at(-1)?.id ?? null, count: open.count };
  return { entry, place, open: { ...open, state } };
}

/**
 * Where what belongs to a request begins. A run says that it starts before it adds its request, and may have to put a filler between that
 * and a request without an answer.
 */
function findStart(branch: readonly StoredRecord[], request: number): number {
  for (let index = request - 1; index >= 0; index -= 1) {
    const record = branch[index];
    if (record?.type === "run_started") return findPlanStart(branch, index);
    if (record === undefined || !isAside(record)) return request;
  }
  return request;
}

/** A plan that is stored right before a run was begun, or decided about, for its request. */
function findPlanStart(branch: readonly StoredRecord[], run: number): number {
  let start = run;
  for (let index = run - 1; index >= 0; index -= 1) {
    const type = branch[index]?.type;
    if (type !== "plan" && type !== "mode") break;
    if (type === "plan") start = index;
  }
  return start;
}

function isAside(record: StoredRecord): boolean {
  if (!isKnownRecord(record)) return false;
  if (record.type === "mode") return true;
  return (
    record.type === "message" && record.message.role === "assistant" && record.message.content === NO_ANSWER
  );
}

function toCountError(count: number, most: number): AgentError {
  const message =
    most === 0
      ? "There is no request to take back."
      : `\`${count}\` requests cannot be taken back. Give a number from 1 to ${most}.`;
  return new AgentError("usage", message, { data: { count, most } });
}
