/** Sessions as files of JSON Lines, `<folder>/<id>.jsonl`. See `record.ts` for what a line holds. */
import { constants } from "node:fs";
import { open, rename, rm, unlink } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { AgentError, errnoOf } from "../core/errors.ts";
import type { Session, SessionState, SessionStore } from "../core/session.ts";
import { toBranch, toOpenState } from "./conversation.ts";
import { startJsonlSession } from "./jsonl-session.ts";
import { openLogFile, readLog } from "./read-log.ts";
import type { SessionLog } from "./read-log.ts";
import { createHeader, toSessionHeader } from "./record.ts";
import type { StoredHeader, StoredRecord } from "./record.ts";
import { createSessionId, findSessionId, isSessionId, toCreatedAt } from "./session-id.ts";
import { acquireLock } from "./session-lock.ts";
import { createStateFolder, openStateFolder, toStorageError } from "./state-folder.ts";
import type { StateFolder } from "./state-folder.ts";
import { listSummaries } from "./summary.ts";

export interface JsonlSessionStoreOptions {
  /** `<workspace>/.lmagent/sessions`. */
  folder: string;
  /** Makes `folder`, such as `Workspace.stateFolder`; called before the first session is created and never for looking. */
  makeFolder: () => Promise<unknown>;
  /** Written into each header. */
  workspace: string;
  /** Milliseconds since 1970. */
  now: () => number;
  /** At least six random letters or digits. */
  newId: () => string;
  /** Of the program, for people who look into a file. */
  version: string;
}

/** A store of files. Every method throws `storage_failed` when the folder is a link, no folder, or cannot be used. */
export function createJsonlSessionStore(options: JsonlSessionStoreOptions): SessionStore {
  return {
    create: async () => startSession(options, [], undefined),
    open: (id) => openSession(options, id),
    read: (id) => readSession(options, id),
    remove: (id) => removeSession(options, id),
    fork: (id, at) => forkSession(options, id, at),
    list: async () => {
      await using folder = await openStateFolder(options.folder);
      return folder === undefined ? [] : await listSummaries(folder);
    },
  };
}

async function openSession(
  { folder: path, now, workspace, version }: JsonlSessionStoreOptions,
  wanted: string,
): Promise<Session> {
  const folder = await openStateFolder(path);
  if (folder === undefined) throw notFound(wanted);
  return guarded(folder, async () => {
    const id = findSessionId(wanted, await readIds(folder));
    const release = await acquireLock(folder, id);
    return guarded({ [Symbol.asyncDispose]: async () => release() }, async () => {
      const file = await openLogFile(folder, `${id}.jsonl`, constants.O_RDWR | constants.O_APPEND);
      if (file === undefined) throw notFound(wanted);
      return guarded(file, async () => {
        const log = await readLog(file, join(folder.path, `${id}.jsonl`), id);
        const header = log.header ?? createLostHeader(id, { workspace, version });
        return startJsonlSession({ folder, file, release, now, header, log });
      });
    });
  });
}

async function forkSession(
  options: JsonlSessionStoreOptions,
  wanted: string,
  at: string | undefined,
): Promise<Session> {
  const { id, log } = await readStoredLog(options, wanted);
  return startSession(options, toBranch(id, log.records, at), id);
}

async function readSession(options: JsonlSessionStoreOptions, wanted: string): Promise<SessionState> {
  const { id, log } = await readStoredLog(options, wanted);
  const header = log.header ?? createLostHeader(id, options);
  return toOpenState(toSessionHeader(header), toBranch(id, log.records)).state;
}

/** Without the lock: a record that is just being written counts as torn and is left out. */
async function readStoredLog(
  { folder: path }: JsonlSessionStoreOptions,
  wanted: string,
): Promise<{ id: string; log: SessionLog }> {
  await using folder = await openStateFolder(path);
  if (folder === undefined) throw notFound(wanted);
  const id = findSessionId(wanted, await readIds(folder));
  await using file = await openLogFile(folder, `${id}.jsonl`, constants.O_RDONLY);
  if (file === undefined) throw notFound(wanted);
  return { id, log: await readLog(file, join(folder.path, `${id}.jsonl`), id) };
}

async function removeSession({ folder: path }: JsonlSessionStoreOptions, wanted: string): Promise<string> {
  await using folder = await openStateFolder(path);
  if (folder === undefined) throw notFound(wanted);
  const id = findSessionId(wanted, await readIds(folder));
  const release = await acquireLock(folder, id);
  try {
    await unlink(folder.entry(`${id}.jsonl`));
    await folder.sync();
    return id;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw notFound(wanted);
    throw toStorageError("delete", join(folder.path, `${id}.jsonl`), error);
  } finally {
    release();
  }
}

/** For a file whose writer was killed before the header was whole. */
function createLostHeader(
  id: string,
  { workspace, version }: { workspace: string; version: string },
): StoredHeader {
  return createHeader({ id, createdAt: toCreatedAt(id), workspace }, version);
}

async function startSession(
  options: JsonlSessionStoreOptions,
  records: StoredRecord[],
  forkedFrom: string | undefined,
): Promise<Session> {
  const { now, newId, workspace, version } = options;
  const folder = await createStateFolder(options.folder, options.makeFolder);
  return guarded(folder, async () => {
    const { id, release } = await claimNewId(folder, () => createSessionId(now, newId));
    return guarded({ [Symbol.asyncDispose]: async () => release() }, async () => {
      const createdAt = new Date(now()).toISOString();
      const header = createHeader(
        { id, createdAt, workspace, ...(forkedFrom === undefined ? {} : { forkedFrom }) },
        version,
      );
      const text = [header, ...records].map((record) => `${JSON.stringify(record)}\n`).join("");
      const file = await createLogFile(folder, id, text);
      const fileBytes = Buffer.byteLength(text);
      const log = { header, records, fileBytes, goodBytes: fileBytes, needsNewline: false };
      return guarded(file, () => startJsonlSession({ folder, file, release, now, header, log }));
    });
  });
}

/** Ids have one second and six characters: on a machine that starts many sessions two may meet. */
async function claimNewId(folder: StateFolder, createId: () => string) {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const id = createId();
    if ((await readIds(folder)).includes(id)) continue;
    const release = await acquireLock(folder, id);
    if (!(await readIds(folder)).includes(id)) return { id, release };
    release();
  }
  throw toStorageError("create a session in", folder.path, new Error("every new id is taken"));
}

/** Appears under its name only when it is whole and on disk. */
async function createLogFile(folder: StateFolder, id: string, text: string): Promise<FileHandle> {
  const { O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const draft = folder.entry(`${id}.tmp`);
  try {
    const file = await open(draft, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    return await guarded(file, async () => {
      await file.writeFile(text);
      await file.sync();
      await rename(draft, folder.entry(`${id}.jsonl`));
      await folder.sync();
      return file;
    });
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw toStorageError("create", join(folder.path, `${id}.jsonl`), error);
  }
}

async function readIds(folder: StateFolder): Promise<string[]> {
  const names = await folder.names();
  return names
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => name.slice(0, -6))
    .filter(isSessionId);
}

function notFound(wanted: string): AgentError {
  try {
    findSessionId(wanted, []);
  } catch (error) {
    if (AgentError.is(error)) return error;
  }
  return new AgentError("session_not_found", `There is no session \`${wanted}\`.`, { data: { id: wanted } });
}

/** Disposes `resource` when `body` fails; on success it belongs to what `body` returns. */
async function guarded<Result>(resource: AsyncDisposable, body: () => Promise<Result>): Promise<Result> {
  try {
    return await body();
  } catch (error) {
    await resource[Symbol.asyncDispose]();
    throw error;
  }
}
