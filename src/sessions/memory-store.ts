/** Sessions that live as long as the process: for embedding and for tests. Needs nothing of Node. */
import { AgentError } from "../core/errors.ts";
import { messageText } from "../core/message.ts";
import type { Session, SessionEntry, SessionHeader, SessionStore, SessionSummary } from "../core/session.ts";
import { toBranch, toOpenState, toRepairEntries } from "./conversation.ts";
import { byNewest, saysHowRunWent, toStatus, toTask } from "./overview.ts";
import { RecordChain, type RecordPlace } from "./record-chain.ts";
import { isKnownRecord } from "./record.ts";
import type { StoredRecord } from "./record.ts";
import { createSessionId, findSessionId } from "./session-id.ts";
import { toUndo } from "./undo.ts";

export interface MemorySessionStoreOptions {
  /** Written into each header. */
  workspace: string;
  /** Milliseconds since 1970. */
  now: () => number;
  /** At least six random letters or digits. */
  newId: () => string;
}

interface Entry {
  header: SessionHeader;
  records: StoredRecord[];
  open: boolean;
}

export function createMemorySessionStore({ workspace, now, newId }: MemorySessionStoreOptions): SessionStore {
  const entries = new Map<string, Entry>();

  const add = (records: StoredRecord[], forkedFrom?: string): Session => {
    let id = createSessionId(now, newId);
    while (entries.has(id)) id = createSessionId(now, newId);
    const createdAt = new Date(now()).toISOString();
    const header = { id, createdAt, workspace, ...(forkedFrom === undefined ? {} : { forkedFrom }) };
    const entry = { header, records, open: false };
    const session = startMemorySession(entry, now);
    entries.set(id, entry);
    return session;
  };
  const find = (wanted: string): Entry => {
    const entry = entries.get(findSessionId(wanted, [...entries.keys()]));
    if (entry === undefined) throw new AgentError("session_not_found", `There is no session \`${wanted}\`.`);
    return entry;
  };

  return {
    create: async () => add([]),
    open: async (wanted) => startMemorySession(find(wanted), now),
    fork: async (wanted, at) => {
      const { header, records } = find(wanted);
      return add(structuredClone(toBranch(header.id, records, at)), header.id);
    },
    read: async (wanted) => {
      const { header, records } = find(wanted);
      return toOpenState(header, structuredClone(toBranch(header.id, records))).state;
    },
    remove: async (wanted) => {
      const { header, open } = find(wanted);
      if (open) throw toLockedError(header.id);
      entries.delete(header.id);
      return header.id;
    },
    list: async () => [...entries.values()].map(summarize).sort(byNewest),
  };
}

function startMemorySession(entry: Entry, now: () => number): Session {
  const { header, records } = entry;
  if (entry.open) throw toLockedError(header.id);
  const { state, repairs, count } = toOpenState(header, structuredClone(toBranch(header.id, records)));
  entry.open = true;
  const chain = new RecordChain(now, records, count);
  let closed = false;
  const append = (added: SessionEntry, place?: RecordPlace) => {
    if (closed) throw new AgentError("storage_failed", `Session \`${header.id}\` was closed. Open it again.`);
    const record = structuredClone(chain.prepare(added, place));
    chain.commit(record);
    records.push(record);
  };
  const session: Session = {
    id: header.id,
    state,
    append: async (added) => append(added),
    undo: async (requests) => {
      const branch = structuredClone(toBranch(header.id, records));
      const { entry: undone, place, open } = toUndo(header, branch, requests);
      append(undone, place);
      for (const repair of toRepairEntries(open.repairs)) append(repair);
      return open.state;
    },
    [Symbol.asyncDispose]: async () => {
      if (!closed) entry.open = false;
      closed = true;
    },
  };
  for (const repair of toRepairEntries(repairs)) append(repair);
  return session;
}

function toLockedError(id: string): AgentError {
  const message = `Session \`${id}\` is already open in this process. Close it there, or start a new session.`;
  return new AgentError("session_locked", message, { data: { id } });
}

function summarize({ header, records, open }: Entry): SessionSummary {
  const known = toBranch(header.id, records).filter(isKnownRecord);
  const request = known.find((record) => record.type === "message" && record.message.role === "user");
  const run = known.findLast(({ type }) => saysHowRunWent(type));
  const last = records.at(-1);
  return {
    id: header.id,
    createdAt: header.createdAt,
    ...(header.forkedFrom === undefined ? {} : { forkedFrom: header.forkedFrom }),
    updatedAt: last?.at ?? header.createdAt,
    task: request?.type === "message" ? toTask(messageText(request.message)) : "",
    messages: last?.count ?? 0,
    status: open ? "active" : toStatus(run, last?.count ?? 0),
  };
}
