/**
 * The lines of a session file. The first is a header, every other one a record `{id, parent, at, count, type, …}`: `parent` is the
 * record it follows (null: none), `count` the messages so far. Records of unknown type are kept and passed over.
 */
import * as z from "zod/mini";
import { PERMISSION_MODES } from "../core/approval.ts";
import { END_REASONS } from "../core/events.ts";
import { PLAN_RISKS, PLAN_STATUSES, PLAN_STEP_STATUSES } from "../core/plan.ts";
import type { SessionHeader, SessionRecord } from "../core/session.ts";
import { TODO_STATUSES } from "../core/todo.ts";

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

const text = z.string();
const call = z.looseObject({
  id: text,
  type: z.literal("function"),
  function: z.looseObject({ name: text, arguments: text }),
});
const part = z.union([
  z.looseObject({ type: z.literal("text"), text }),
  z.looseObject({ type: z.literal("image_url"), image_url: z.looseObject({ url: text }) }),
]);
const ownNote = z.optional(z.enum(["nudge", "compaction"]));
const message = z.discriminatedUnion("role", [
  z.looseObject({ role: z.literal("system"), content: text }),
  z.looseObject({ role: z.literal("user"), content: z.union([text, z.array(part)]), note: ownNote }),
  z.looseObject({
    role: z.literal("assistant"),
    content: z.nullable(text),
    reasoning_content: z.optional(text),
    tool_calls: z.optional(z.array(call)),
    note: ownNote,
  }),
  z.looseObject({ role: z.literal("tool"), tool_call_id: text, content: text }),
]);
const todo = z.looseObject({ id: z.number(), text, status: z.enum(TODO_STATUSES), notes: z.optional(text) });
const planStep = z.looseObject({
  id: z.number(),
  description: text,
  verification: z.optional(text),
  risk: z.optional(z.enum(PLAN_RISKS)),
  dependencies: z.array(z.number()),
  status: z.enum(PLAN_STEP_STATUSES),
  notes: z.optional(text),
});
const plan = z.looseObject({ title: text, steps: z.array(planStep), status: z.enum(PLAN_STATUSES) });
const taskState = z.looseObject({
  objective: z.optional(text),
  completion_gate: z.optional(text),
  total_count: z.optional(z.number()),
  processed_count: z.optional(z.number()),
  remaining_queue: z.optional(z.array(text)),
  rename_map: z.optional(z.record(text, text)),
  last_error: z.optional(text),
  recovery_instruction: z.optional(text),
  next_action: z.optional(text),
  inventory_hash: z.optional(text),
  last_updated: z.optional(text),
});
const compactedPart = z.union([
  z.looseObject({ keep: z.tuple([z.number(), z.number()]) }),
  z.looseObject({ message }),
]);

const headerSchema = z.looseObject({
  type: z.literal("session"),
  format: z.number(),
  version: text,
  id: text,
  createdAt: z.iso.datetime(),
  workspace: text,
  forkedFrom: z.optional(text),
});

const recordSchema = z.looseObject({
  id: text.check(z.minLength(1)),
  parent: z.nullable(text),
  at: z.iso.datetime(),
  count: z.optional(z.number()),
  type: text,
});

const entrySchemas: Readonly<Record<SessionRecord["type"], z.ZodMiniType>> = {
  message: z.looseObject({ message }),
  todos: z.looseObject({ todos: z.array(todo) }),
  plan: z.looseObject({ plan }),
  task_state: z.looseObject({ state: taskState }),
  checkpoint: z.looseObject({ checkpoint: text.check(z.minLength(1)) }),
  compaction: z.looseObject({
    cause: z.enum(["threshold", "overflow", "request"]),
    method: z.enum(["elided", "summarised", "folded"]),
    parts: z.array(compactedPart),
    tokensBefore: z.number(),
    tokensAfter: z.number(),
  }),
  undone: z.looseObject({
    requests: z.number(),
    reason: z.optional(z.enum(END_REASONS)),
    mode: z.optional(z.enum(PERMISSION_MODES)),
  }),
  mode: z.looseObject({ mode: z.enum(PERMISSION_MODES) }),
  run_started: z.looseObject({ model: text }),
  run_finished: z.looseObject({ reason: z.enum(END_REASONS) }),
};

export function createHeader(header: SessionHeader, version: string): StoredHeader {
  return { type: "session", format: SESSION_FORMAT, version, ...header };
}

export function toSessionHeader({ id, createdAt, workspace, forkedFrom }: StoredHeader): SessionHeader {
  return { id, createdAt, workspace, ...(forkedFrom === undefined ? {} : { forkedFrom }) };
}

export type Parsed<Value> = { ok: true; value: Value } | { ok: false; why: string };

/** Only the shape; whether the format is one we read is the caller's question. */
export function parseHeader(line: string): Parsed<StoredHeader> {
  return parseLine<StoredHeader>(line, headerSchema);
}

/** The value is the parsed JSON itself, key order and unknown fields included: a resumed conversation is sent byte for byte. */
export function parseRecord(line: string): Parsed<StoredRecord> {
  const parsed = parseLine<StoredRecord>(line, recordSchema);
  if (!parsed.ok || !isKnownRecord(parsed.value)) return parsed;
  return check(parsed.value, entrySchemas[parsed.value.type]);
}

export function isKnownRecord(record: StoredRecord): record is StoredRecord & SessionRecord {
  return Object.hasOwn(entrySchemas, record.type);
}

function parseLine<Value>(line: string, schema: z.ZodMiniType): Parsed<Value> {
  try {
    return check(JSON.parse(line) as Value, schema);
  } catch {
    return { ok: false, why: "it is not JSON" };
  }
}

function check<Value>(value: Value, schema: z.ZodMiniType): Parsed<Value> {
  const { error } = schema.safeParse(value);
  if (error === undefined) return { ok: true, value };
  const field = error.issues[0]?.path.join(".") ?? "";
  return { ok: false, why: field === "" ? "it is not a record" : `its \`${field}\` cannot be used` };
}
