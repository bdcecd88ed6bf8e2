/**
 * The lines of a session file. The first is a header, every other one a record `{id, parent, at, count, type, …}`: `parent` is the
 * record it follows (null: none), `count` the messages so far. Records of unknown type are kept and passed over.
 */
import { PERMISSION_MODES } from "../core/approval.ts";
import { COMPACTION_CAUSES, COMPACTION_METHODS } from "../core/compaction.ts";
import { END_REASONS } from "../core/events.ts";
import { OWN_NOTES } from "../core/message.ts";
import { PLAN_RISKS, PLAN_STATUSES, PLAN_STEP_STATUSES } from "../core/plan.ts";
import type { SessionHeader, SessionRecord } from "../core/session.ts";
import { TODO_STATUSES } from "../core/todo.ts";
import {
  anyOf,
  hasFields,
  isInstant,
  isNumber,
  isText,
  isWord,
  listOf,
  nullable,
  oneOf,
  optional,
  tableOf,
  variantOf,
  type Shape,
} from "./shape.ts";

/** Raised when an older program could misread what a newer one writes. */
export const SESSION_FORMAT = 1;

/** A header as stored. `version` is the program's, for people who look into the file. */
export interface StoredHeader extends SessionHeader {
  type: "session";
  format: number;
  version: string;
}

/** A record as stored: a `SessionRecord`, or one of a type that a newer program knows. */
export interface StoredRecord {
  id: string;
  parent: string | null;
  at: string;
  count?: number | undefined;
  type: string;
  readonly [field: string]: unknown;
}

const call = hasFields({
  id: isText,
  type: oneOf("function"),
  function: hasFields({ name: isText, arguments: isText }),
});
const part = variantOf("type", {
  text: hasFields({ text: isText }),
  image_url: hasFields({ image_url: hasFields({ url: isText }) }),
});
const ownNote = optional(oneOf(...OWN_NOTES));
const message = variantOf("role", {
  system: hasFields({ content: isText }),
  user: hasFields({ content: anyOf(isText, listOf(part)), note: ownNote }),
  assistant: hasFields({
    content: nullable(isText),
    reasoning_content: optional(isText),
    tool_calls: optional(listOf(call)),
    note: ownNote,
  }),
  tool: hasFields({ tool_call_id: isText, content: isText }),
});
const todo = hasFields({
  id: isNumber,
  text: isText,
  status: oneOf(...TODO_STATUSES),
  notes: optional(isText),
});
const planStep = hasFields({
  id: isNumber,
  description: isText,
  verification: optional(isText),
  risk: optional(oneOf(...PLAN_RISKS)),
  dependencies: listOf(isNumber),
  status: oneOf(...PLAN_STEP_STATUSES),
  notes: optional(isText),
});
const taskState = hasFields({
  objective: optional(isText),
  completion_gate: optional(isText),
  total_count: optional(isNumber),
  processed_count: optional(isNumber),
  remaining_queue: optional(listOf(isText)),
  processed_items: optional(listOf(isText)),
  rename_map: optional(tableOf(isText)),
  last_error: optional(isText),
  recovery_instruction: optional(isText),
  next_action: optional(isText),
  inventory_hash: optional(isText),
  last_updated: optional(isText),
});
const mode = oneOf(...PERMISSION_MODES);
const reason = oneOf(...END_REASONS);

const header = hasFields({
  type: oneOf("session"),
  format: isNumber,
  version: isText,
  id: isText,
  createdAt: isInstant,
  workspace: isText,
  forkedFrom: optional(isText),
});

const record = hasFields({
  id: isWord,
  parent: nullable(isText),
  at: isInstant,
  count: optional(isNumber),
  type: isText,
});

const entries: Readonly<Record<SessionRecord["type"], Shape>> = {
  message: hasFields({ message }),
  todos: hasFields({ todos: listOf(todo) }),
  plan: hasFields({
    plan: hasFields({ title: isText, steps: listOf(planStep), status: oneOf(...PLAN_STATUSES) }),
  }),
  task_state: hasFields({
    state: taskState,
    taken: optional(listOf(isText)),
    renamed: optional(tableOf(isText)),
  }),
  checkpoint: hasFields({ checkpoint: isWord }),
  compaction: hasFields({
    cause: oneOf(...COMPACTION_CAUSES),
    method: oneOf(...COMPACTION_METHODS),
    parts: listOf(anyOf(hasFields({ message }), hasFields({ keep: listOf(isNumber, 2) }))),
    tokensBefore: isNumber,
    tokensAfter: isNumber,
  }),
  undone: hasFields({ requests: isNumber, reason: optional(reason), mode: optional(mode) }),
  server: hasFields({
    baseUrl: isText,
    slot: optional(isNumber),
    bytesPerToken: optional(isNumber),
    tokens: optional(
      hasFields({ prompt: isNumber, cached: isNumber, completion: isNumber, counted: isNumber }),
    ),
  }),
  mode: hasFields({ mode }),
  run_started: hasFields({ model: isText }),
  run_finished: hasFields({ reason }),
};

export function createHeader(sessionHeader: SessionHeader, version: string): StoredHeader {
  return { type: "session", format: SESSION_FORMAT, version, ...sessionHeader };
}

export function toSessionHeader({ id, createdAt, workspace, forkedFrom }: StoredHeader): SessionHeader {
  return { id, createdAt, workspace, ...(forkedFrom === undefined ? {} : { forkedFrom }) };
}

export type Parsed<Value> = { ok: true; value: Value } | { ok: false; why: string };

/** Only the shape; whether the format is one we read is the caller's question. */
export function parseHeader(line: string): Parsed<StoredHeader> {
  return parseLine<StoredHeader>(line, header);
}

/** The value is the parsed JSON itself, key order and unknown fields included: a resumed conversation is sent byte for byte. */
export function parseRecord(line: string): Parsed<StoredRecord> {
  const parsed = parseLine<StoredRecord>(line, record);
  if (!parsed.ok || !isKnownRecord(parsed.value)) return parsed;
  return check(parsed.value, entries[parsed.value.type]);
}

export function isKnownRecord(stored: StoredRecord): stored is StoredRecord & SessionRecord {
  return Object.hasOwn(entries, stored.type);
}

function parseLine<Value>(line: string, shape: Shape): Parsed<Value> {
  try {
    return check(JSON.parse(line) as Value, shape);
  } catch {
    return { ok: false, why: "it is not JSON" };
  }
}

function check<Value>(value: Value, shape: Shape): Parsed<Value> {
  const path = shape(value);
  if (path === undefined) return { ok: true, value };
  return { ok: false, why: path === "" ? "it is not a record" : `its \`${path}\` cannot be used` };
}
