/** From records to a conversation that can go on. */
import { AgentError } from "../core/errors.ts";
import type { ToolMessage } from "../core/message.ts";
import type { SessionEntry, SessionHeader, SessionState } from "../core/session.ts";
import { pairCalls, toInterruptedResult } from "./pairing.ts";
import type { StoredRecord } from "./record.ts";
import { replay } from "./replay.ts";

/**
 * The records from the first to `at` (default the last), following `parent`; what was branched off elsewhere is left out. Throws
 * `session_not_found` when there is no record `at`.
 */
export function toBranch(
  sessionId: string,
  records: readonly StoredRecord[],
  at = records.at(-1)?.id,
): StoredRecord[] {
  const byId = new Map(records.map((record) => [record.id, record]));
  if (at !== undefined && !byId.has(at)) {
    throw new AgentError(
      "session_not_found",
      `Session \`${sessionId}\` has no record \`${at}\`. Give the \`id\` of one of its ${records.length} records.`,
      {
        data: { id: sessionId, at },
      },
    );
  }
  const branch: StoredRecord[] = [];
  let record = at === undefined ? undefined : byId.get(at);
  while (record !== undefined) {
    branch.push(record);
    record = record.parent === null ? undefined : byId.get(record.parent);
  }
  return branch.reverse();
}

export interface OpenState {
  state: SessionState;
  /** Results that the interrupted calls got; part of `state.messages`, and still to be stored. */
  repairs: readonly ToolMessage[];
  /** Messages that are stored, as a list counts them. */
  count: number;
}

/** Folds one branch into what a run can go on from. Throws `session_corrupt` for what the agent never writes. */
export function toOpenState(header: SessionHeader, branch: readonly StoredRecord[]): OpenState {
  const { state, count } = replay(header, branch);
  const { messages, unanswered } = pairCalls(state.messages);
  if (unanswered.length === 0) return { state: { ...state, messages }, repairs: [], count };
  const repairs = unanswered.map(toInterruptedResult);
  const repaired = pairCalls([...state.messages, ...repairs]);
  return { state: { ...state, messages: repaired.messages, interrupted: unanswered }, repairs, count };
}

export function toRepairEntries(repairs: readonly ToolMessage[]): SessionEntry[] {
  return repairs.map((message) => ({ type: "message", message, note: "interrupted" }));
}
