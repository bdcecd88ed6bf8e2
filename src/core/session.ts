/**
 * The contract of a session: an append-only log from which a conversation can be continued. The file format of design
 * section 8 is the store's business; this says what is in it.
 */
import type { PermissionMode } from "./approval.ts";
import type { EndReason } from "./events.ts";
import type { Compaction } from "./compaction.ts";
import type { Message } from "./message.ts";
import type { Plan } from "./plan.ts";
import type { TaskStateRecord } from "./task-state-record.ts";
import type { TaskState } from "./task-state.ts";
import type { Todo } from "./todo.ts";

export interface SessionHeader {
  id: string;
  /** ISO 8601, UTC. */
  createdAt: string;
  workspace: string;
  /** The session this one was forked from. */
  forkedFrom?: string;
}

/** What is appended. The store adds `{id, parent, at}`. */
export type SessionEntry =
  | { type: "message"; message: Message; note?: "steering" | "follow_up" | "nudge" | "interrupted" }
  | { type: "todos"; todos: readonly Todo[] }
  | { type: "plan"; plan: Plan }
  | ({ type: "task_state" } & TaskStateRecord)
  /** The files before the newest request were recorded under this id (`core/checkpoint.ts`). */
  | { type: "checkpoint"; checkpoint: string }
  | ({ type: "compaction" } & Compaction)
  /**
   * The newest so many requests were taken back: the record follows what came before them. `reason`: how the run before them ended.
   * `mode`: as it was last set, since that is the user's own and not taken back. Written by `Session.undo` only.
   */
  | { type: "undone"; requests: number; reason?: EndReason; mode?: PermissionMode }
  | ({ type: "server" } & SessionServer)
  | { type: "mode"; mode: PermissionMode }
  | { type: "run_started"; model: string }
  | { type: "run_finished"; reason: EndReason };

export type SessionRecord = SessionEntry & { id: string; parent: string | null; at: string };

/** What a process that goes on should know of the server: a guess that is wrong costs time and nothing else. */
export interface SessionServer {
  baseUrl: string;
  /** The KV slot that holds what was sent last. */
  slot?: number;
  /** Learned from the server's counts. */
  bytesPerToken?: number;
  /** Tokens of all requests so far, by these counts. */
  tokens?: TokenTotals;
}

/** Of requests whose cached tokens the server told; `completion` of all. */
export interface TokenTotals {
  prompt: number;
  cached: number;
  completion: number;
  /** How many such requests. */
  counted: number;
}

export interface SessionRequest {
  /** First words, at most 200 characters. */
  text: string;
  /** Checkpoint of the files before it; absent when it changed none. */
  checkpoint?: string;
}

/** Everything needed to go on. */
export interface SessionState {
  header: SessionHeader;
  messages: readonly Message[];
  todos: readonly Todo[];
  plan?: Plan;
  taskState?: TaskState;
  server?: SessionServer;
  /** What the user asked for so far, oldest first; steering is part of the request it came in. */
  requests: readonly SessionRequest[];
  mode?: PermissionMode;
  lastReason?: EndReason;
  /** Calls that were under way when the last writer stopped; each has got a result that says so. */
  interrupted: readonly string[];
}

export interface SessionSummary {
  id: string;
  createdAt: string;
  updatedAt: string;
  /** Session that this one was copied from. */
  forkedFrom?: string;
  /** First words of the first request, at most 200 characters. */
  task: string;
  /** Messages of the conversation, those included that were compacted since, the system message left out. */
  messages: number;
  /** `active` while a process writes to it; otherwise how its last run ended, or `interrupted`. */
  status: EndReason | "active" | "interrupted" | "new";
}

/** One open session. There is one writer at a time. */
export interface Session {
  readonly id: string;
  /** As it was when the session was opened; appending does not change it. */
  readonly state: SessionState;
  /** Returns when the record is on disk. Throws `AgentError` `storage_failed`. */
  append(entry: SessionEntry): Promise<void>;
  /**
   * Takes back the newest `count` requests with all that followed: the conversation, todos, plan and task state are as before them, also
   * where a compaction came in between. Returns what there is to go on from. On disk when it returns; the records stay in the log.
   * Throws `AgentError` `usage` when there are fewer requests, `storage_failed`, `session_corrupt` when the log was damaged meanwhile.
   */
  undo(count: number): Promise<SessionState>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SessionStore {
  create(): Promise<Session>;
  /** Throws `session_not_found`, `session_locked` or `session_corrupt`. `id` may be shortened while it is unique. */
  open(id: string): Promise<Session>;
  /**
   * What `open` would go on from, without opening: takes no lock and writes nothing, so it works on a read-only disk and on a session
   * that somebody else writes to. Throws `session_not_found` or `session_corrupt`. `id` as in `open`.
   */
  read(id: string): Promise<SessionState>;
  /**
   * Deletes the session while holding its lock, and returns its full id. A damaged one is deleted as well. Throws
   * `session_not_found`, `session_locked` or `storage_failed`. `id` as in `open`.
   */
  remove(id: string): Promise<string>;
  /** Newest first. */
  list(): Promise<SessionSummary[]>;
  /** A new session holding the old one's conversation up to record `at` (default all of it). */
  fork(id: string, at?: string): Promise<Session>;
}
