/** From records to a conversation that can go on: every call of the assistant with exactly one result, right after it. */
import { AgentError } from "../core/errors.ts";
import type { AssistantMessage, Message, ToolMessage } from "../core/message.ts";
import type { SessionHeader, SessionRecord, SessionState } from "../core/session.ts";
import { isKnownRecord } from "./record.ts";
import type { StoredRecord } from "./record.ts";

interface Turn {
  assistant: AssistantMessage;
  /** By position of the call. */
  results: (ToolMessage | undefined)[];
}

interface PairedConversation {
  messages: Message[];
  /** Ids of calls without a result, in source order. */
  unanswered: string[];
}

/**
 * Puts each result behind its call, in source order. A result whose call is not there, or already has one, is left out: a strict
 * server would refuse the whole conversation. Ids may repeat across turns, as some servers number calls per reply.
 */
function pairCalls(messages: readonly Message[]): PairedConversation {
  const items: (Message | Turn)[] = [];
  const turns: Turn[] = [];
  for (const message of messages) {
    if (message.role === "tool") {
      placeResult(turns, message);
    } else if (message.role === "assistant" && (message.tool_calls?.length ?? 0) > 0) {
      const turn: Turn = { assistant: message, results: message.tool_calls?.map(() => undefined) ?? [] };
      turns.push(turn);
      items.push(turn);
    } else {
      items.push(message);
    }
  }
  return {
    messages: items.flatMap((item) => ("assistant" in item ? toMessages(item) : [item])),
    unanswered: turns.flatMap(({ assistant, results }) =>
      (assistant.tool_calls ?? []).flatMap((call, index) => (results[index] === undefined ? [call.id] : [])),
    ),
  };
}

function placeResult(turns: readonly Turn[], result: ToolMessage): void {
  for (const { assistant, results } of turns.toReversed()) {
    const index = (assistant.tool_calls ?? []).findIndex(
      (call, position) => call.id === result.tool_call_id && results[position] === undefined,
    );
    if (index === -1) continue;
    results[index] = result;
    return;
  }
}

function toMessages({ assistant, results }: Turn): Message[] {
  return [assistant, ...results.filter((result) => result !== undefined)];
}

/** What the model is told about a call whose result was never stored. */
function toInterruptedResult(callId: string): ToolMessage {
  const error =
    "interrupted: the agent was stopped during this call, so it may have partly happened. Check before repeating it.";
  return { role: "tool", tool_call_id: callId, content: JSON.stringify({ ok: false, error }) };
}

/** Messages that count as conversation: all but the system message. */
export function countMessages(messages: readonly Message[]): number {
  return messages.filter((message) => message.role !== "system").length;
}

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
}

/** Folds one branch into what a run can go on from. */
export function toOpenState(header: SessionHeader, branch: readonly StoredRecord[]): OpenState {
  const stored = toState(header, branch);
  const { unanswered } = pairCalls(stored.messages);
  const repairs = unanswered.map(toInterruptedResult);
  const { messages } = pairCalls([...stored.messages, ...repairs]);
  return { state: { ...stored, messages, interrupted: unanswered }, repairs };
}

function toState(header: SessionHeader, branch: readonly StoredRecord[]): SessionState {
  const messages: Message[] = [];
  const state: { -readonly [Key in keyof SessionState]: SessionState[Key] } = {
    header,
    messages,
    todos: [],
    interrupted: [],
  };
  for (const record of branch) {
    if (!isKnownRecord(record)) continue;
    if (record.type === "message") messages.push(checkPlace(record, messages, header));
    else if (record.type === "todos") state.todos = record.todos;
    else if (record.type === "mode") state.mode = record.mode;
    else if (record.type === "run_started") delete state.lastReason;
    else state.lastReason = record.reason;
  }
  return state;
}

/** A second set of orders in the middle of a conversation was not written by us, and many chat templates refuse it. */
function checkPlace(
  { id, message }: Extract<SessionRecord, { type: "message" }>,
  before: readonly Message[],
  header: SessionHeader,
): Message {
  if (message.role !== "system" || before.length === 0) return message;
  throw new AgentError(
    "session_corrupt",
    `Session \`${header.id}\` has a system message in the middle (record \`${id}\`), which the agent never writes. Remove that line, or start a new session.`,
    { data: { id: header.id, record: id } },
  );
}
