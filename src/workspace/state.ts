/** The agent's own folder `.lmagent`: made and reached without following links, so that a planted one is refused. */
import {
  closeSync,
  constants,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { errnoOf } from "../core/errors.ts";
import type { OutputFile, OutputLog } from "../core/output-log.ts";
import { STATE_FOLDER } from "../core/workspace.ts";
import { pathRefused, systemFailure } from "./failures.ts";
import type { Folder } from "./folder.ts";
import { giveToOwner, ownerIn } from "./owner.ts";

const OUTPUTS = "outputs";
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MAX_TOTAL_BYTES = 256 * 1024 * 1024;
const MAX_FILES = 2_000;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Opens `.lmagent/<name>` and makes what is missing. The caller closes it. */
export function openStateFolder(root: Folder, name: string): Folder {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(name)) throw pathRefused(name, "it is no name for a state folder");
  const state = openOwn(root, STATE_FOLDER, STATE_FOLDER);
  try {
    return openOwn(state, name, `${STATE_FOLDER}/${name}`);
  } finally {
    state.close();
  }
}

function openOwn(parent: Folder, name: string, shown: string): Folder {
  const created = makeOwn(`${parent.path}/${name}`, shown);
  // Commands run as the workspace's owner and must be able to read saved outputs.
  if (created) giveToOwner(parent, name);
  let folder: Folder;
  try {
    folder = parent.open(name);
  } catch (error) {
    if (errnoOf(error) !== "ENOTDIR" && errnoOf(error) !== "ELOOP") throw systemFailure(shown, "open", error);
    throw pathRefused(shown, "it is a link or a file where the agent keeps its own state; remove it");
  }
  if (created && name === STATE_FOLDER) writeIgnoreFile(folder);
  return folder;
}

function makeOwn(path: string, shown: string): boolean {
  try {
    mkdirSync(path, 0o700);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw systemFailure(shown, "make", error);
  }
}

function writeIgnoreFile(folder: Folder): void {
  try {
    const fd = openSync(`${folder.path}/.gitignore`, NEW_FILE, 0o644);
    writeSync(fd, "*\n");
    closeSync(fd);
  } catch {
    // Only a comfort: without it git lists the folder.
  }
}

/** Keeps outputs in `.lmagent/outputs/<call id>.txt`; the oldest go when there are too many. */
export function createOutputLog(root: Folder): OutputLog {
  return {
    open: (callId) => new StoredOutput(root, callId.replaceAll(/[^\w-]/g, "_").slice(0, 64) || "call"),
  };
}

class StoredOutput implements OutputFile {
  readonly #root: Folder;
  readonly #id: string;
  #name: string;
  #folder: Folder | undefined;
  #fd: number | undefined;
  #bytes = 0;
  #complete = true;

  constructor(root: Folder, id: string) {
    this.#root = root;
    this.#id = id;
    this.#name = `${id}.txt`;
  }

  get path(): string {
    return `${STATE_FOLDER}/${OUTPUTS}/${this.#name}`;
  }

  get complete(): boolean {
    return this.#complete;
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (!this.#complete || chunk.length === 0) return;
    try {
      this.#fd ??= this.#create();
      const part = chunk.subarray(0, MAX_FILE_BYTES - this.#bytes);
      if (part.length < chunk.length) this.#complete = false;
      for (let written = 0; written < part.length;) written += writeSync(this.#fd, part, written);
      this.#bytes += part.length;
    } catch {
      this.#complete = false;
    }
  }

  async close(): Promise<void> {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#folder?.close();
    this.#fd = undefined;
    this.#folder = undefined;
    this.#complete &&= this.#bytes > 0;
  }

  #create(): number {
    const folder = openStateFolder(this.#root, OUTPUTS);
    this.#folder = folder;
    removeOldest(folder);
    for (let attempt = 2; ; attempt += 1) {
      try {
        const fd = openSync(`${folder.path}/${this.#name}`, NEW_FILE, 0o600);
        const owner = ownerIn(folder);
        if (owner) fchownSync(fd, owner.uid, owner.gid);
        return fd;
      } catch (error) {
        if (errnoOf(error) !== "EEXIST" || attempt > MAX_FILES) throw error;
        this.#name = `${this.#id}-${attempt}.txt`;
      }
    }
  }
}

/** Makes room for one more file of the largest size. */
function removeOldest(folder: Folder): void {
  const files = readdirSync(folder.path)
    .filter((name) => name.endsWith(".txt"))
    .flatMap((name) => {
      const stats = lstatSync(`${folder.path}/${name}`, { throwIfNoEntry: false });
      return stats ? [{ name, size: stats.size, at: stats.mtimeMs }] : [];
    })
    .sort((one, other) => one.at - other.at);
  let total = files.reduce((sum, { size }) => sum + size, 0);
  for (
    let index = 0;
    total > MAX_TOTAL_BYTES - MAX_FILE_BYTES || files.length - index >= MAX_FILES;
    index += 1
  ) {
    const oldest = files[index];
    if (!oldest) return;
    unlinkSync(`${folder.path}/${oldest.name}`);
    total -= oldest.size;
  }
}
