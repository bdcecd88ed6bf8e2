/** One JSON file of ours: what the user has decided, outside of every workspace. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  type Stats,
} from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError, errnoOf } from "../core/errors.ts";
import { replaceFile, storageFailed, tryLock } from "./own-file.ts";

const MAX_FILE_BYTES = 4 * 1_024 * 1_024;
const OTHERS_MAY_WRITE = 0o022;
const LOCK_WAIT_MS = 15_000;
const LOCK_PAUSE_MS = 20;

export interface JsonFileOptions {
  /** Absolute path. Its folder is made when it is first written. */
  file: string;
  /** The error for a file that cannot be relied on; `why` is a reason in words, without a full stop. */
  unusable: (why: string) => AgentError;
}

/** Every method throws `AgentError` `storage_failed` when the file cannot be read or written. */
export interface JsonFile {
  /** `undefined` when there is no file. Throws `unusable` for one that is no JSON, a link, too large, or that others own or may write. */
  read(): unknown;
  /** Throws like `read`, and whatever `change` throws; the file is then as it was. */
  update(change: (stored: unknown) => unknown): Promise<void>;
  /** Removes the file, whatever is in it. */
  remove(): Promise<void>;
}

export function openJsonFile(options: JsonFileOptions): JsonFile {
  const { file } = options;
  return {
    read: () => read(options),
    async update(change) {
      try {
        mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      } catch (error) {
        throw storageFailed("make the folder of", file, error);
      }
      const release = await lock(`${file}.lock`);
      try {
        replaceFile(file, `${JSON.stringify(change(read(options)), null, 2)}\n`);
      } finally {
        release();
      }
    },
    async remove() {
      if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return;
      // Nobody who is just changing it may bring it back.
      const release = await lock(`${file}.lock`);
      try {
        rmSync(file, { force: true });
      } catch (error) {
        throw storageFailed("remove", file, error);
      } finally {
        release();
      }
    },
  };
}

function read({ file, unusable }: JsonFileOptions): unknown {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw errnoOf(error) === "ELOOP" ? unusable("it is a link") : storageFailed("read", file, error);
  }
  try {
    const fault = findFault(file, fstatSync(fd));
    if (fault !== undefined) throw unusable(fault);
    return JSON.parse(readFileSync(fd, "utf8")) as unknown;
  } catch (error) {
    if (AgentError.is(error)) throw error;
    throw error instanceof SyntaxError ? unusable("it is not JSON") : storageFailed("read", file, error);
  } finally {
    closeSync(fd);
  }
}

/** What others can write would be their word and not the user's. */
function findFault(file: string, stats: Stats): string | undefined {
  if (!stats.isFile()) return "it is no regular file";
  if (stats.size > MAX_FILE_BYTES) return `it is larger than ${MAX_FILE_BYTES} bytes`;
  const user = process.geteuid?.();
  if (user === undefined) return undefined;
  const isOurs = stats.uid === user || (user === 0 && stats.uid === lstatSync(dirname(file)).uid);
  if (!isOurs) return "it belongs to another user";
  if ((stats.mode & OTHERS_MAY_WRITE) === 0) return undefined;
  return `other users may write it (run \`chmod 600 ${file}\` if it is as you left it)`;
}

async function lock(path: string): Promise<() => void> {
  for (const deadline = Date.now() + LOCK_WAIT_MS; ;) {
    const release = tryLock(path);
    if (release !== undefined) return release;
    if (Date.now() > deadline)
      throw storageFailed("lock", path, new Error("another agent holds it; remove it when there is none"));
    await sleep(LOCK_PAUSE_MS * (1 + Math.random()));
  }
}
