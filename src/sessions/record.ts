/**
 * The lines of a session file. The first is a header, every other one a record `{id, parent, at, count, type, …}`: `parent` is the
 * record it follows (null: none), `count` the messages of the conversation so far. Records of unknown type are kept and passed over.
 */
import * as z from "zod/mini";
import { PERMISSION_MODES } from "../core/approval.ts";
import { END_REASONS } from "../core/events.ts";
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
const message = z.discriminatedUnion("role", [
  z.looseObject({ role: z.literal("system"), content: text }),
  z.looseObject({ role: z.literal("user"), content: z.union([text, z.array(part)]) }),
  z.looseObject({
    role: z.literal("assistant"),
    content: z.nullable(text),
    reasoning_content: z.optional(text),
    tool_calls: z.optional(z.array(call)),
  }),
  z.looseObject({ role: z.literal("tool"), tool_call_id: text, content: text }),
]);
const todo = z.looseObject({ id: z.number(), text, status: z.enum(TODO_STATUSES), notes: z.optional(text) });

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
