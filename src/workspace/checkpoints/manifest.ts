/**
 * What one request has changed, in `<id>.jsonl`: a head, and for each call a line before it and one after it. Lines are only appended,
 * and the one before a call is flushed to the disk before the call starts; a torn last line is overlooked.
 */
import {
  closeSync,
  constants,
  fchownSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { AgentError, errnoOf } from "../../core/errors.ts";
import { type Folder, openRegular } from "../folder.ts";
import { ownerIn } from "../owner.ts";
import { isCount, isHash, isPath, parseState, type PathState, type Step } from "./file-state.ts";
import { isCheckpointId } from "./checkpoint-id.ts";
import { damaged } from "./packs.ts";

const datasyncAsync = promisify(fdatasync);
const fsyncAsync = promisify(fsync);

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const OLD_FILE = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW;
const MAX_BYTES = 256 * 1024 * 1024;
export const MANIFEST = ".jsonl";

/** Before the call: what was at the paths it names, or the tree of the workspace. */
export type CallStart =
  | { call: number; before: readonly [string, PathState][] }
  | { call: number; tree: string; left?: readonly string[] };

/** After the call: what has changed. */
export interface CallEnd {
  call: number;
  after: readonly [string, PathState, PathState][];
}

export interface ManifestHead {
  version: 1;
  id: string;
  /** ISO 8601. */
  at: string;
  session?: string;
}

export interface Manifest {
  head: ManifestHead;
  starts: CallStart[];
  ends: Map<number, Step[]>;
}

export class ManifestWriter {
  readonly #folder: () => Folder;
  readonly #head: ManifestHead;
  #isMade = false;

  constructor(folder: () => Folder, head: ManifestHead) {
    this.#folder = folder;
    this.#head = head;
  }

  /** With `sync`, the line survives a power cut. Throws the system's error. */
  async append(line: CallStart | CallEnd, { sync }: { sync: boolean }): Promise<void> {
    const text = `${JSON.stringify(line)}\n`;
    const folder = this.#folder();
    const path = `${folder.path}/${this.#head.id}${MANIFEST}`;
    const isNew = !this.#isMade;
    const fd = openSync(path, isNew ? NEW_FILE : OLD_FILE, 0o600);
    this.#isMade = true;
    try {
      const owner = isNew ? ownerIn(folder) : undefined;
      if (owner) fchownSync(fd, owner.uid, owner.gid);
      this.#write(fd, text);
      if (sync) await Promise.all([datasyncAsync(fd), isNew ? syncFolder(folder) : undefined]);
    } finally {
      closeSync(fd);
    }
  }

  /** Behind the head. A line that a full disk cuts off is taken back, so that the next one does not become a part of it. */
  #write(fd: number, line: string): void {
    const { size } = fstatSync(fd);
    try {
      writeWhole(fd, size === 0 ? `${JSON.stringify(this.#head)}\n${line}` : line);
    } catch (error) {
      ftruncateSync(fd, size);
      throw error;
    }
  }
}

/** So that new names in it are found after a power cut. */
async function syncFolder(folder: Folder): Promise<void> {
  if (process.platform === "win32") return;
  const fd = openSync(`${folder.path}/.`, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await fsyncAsync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeWhole(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
}

export function hasManifest(folder: Folder | undefined, id: string): boolean {
  if (folder === undefined || !isCheckpointId(id)) return false;
  return lstatSync(`${folder.path}/${id}${MANIFEST}`, { throwIfNoEntry: false }) !== undefined;
}

/** Throws `storage_failed` when there is none, or what is there makes no sense. */
export function readManifest(folder: Folder | undefined, id: string): Manifest {
  if (!isCheckpointId(id)) throw damaged(`\`${id.slice(0, 80)}\` is no id of a checkpoint`);
  const text = folder && readText(folder, `${id}${MANIFEST}`);
  if (text === undefined) throw damaged(`\`${id}\` is not kept any more`);
  const lines = text.split("\n");
  // What comes after the last line end was cut off by a crash.
  lines.pop();
  const [first, ...rest] = lines.map((line) => parseLine(line, id));
  const head = toHead(first, id);
  const manifest: Manifest = { head, starts: [], ends: new Map() };
  for (const line of rest) addCall(manifest, line, id);
  return manifest;
}

function readText(folder: Folder, name: string): string | undefined {
  let fd: number;
  try {
    fd = openRegular(folder, name, name);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw AgentError.is(error, "storage_failed") ? error : damaged(`\`${name}\` cannot be read`, error);
  }
  try {
    const { size } = fstatSync(fd);
    if (size > MAX_BYTES) throw damaged(`\`${name}\` is larger than a checkpoint can be`);
    const bytes = Buffer.alloc(size);
    let filled = 0;
    for (let count = 1; filled < size && count > 0; filled += count)
      count = readSync(fd, bytes, filled, size - filled, filled);
    return bytes.toString("utf8", 0, filled);
  } finally {
    closeSync(fd);
  }
}

function parseLine(line: string, id: string): Record<string, unknown> {
  try {
    const input: unknown = JSON.parse(line);
    if (typeof input === "object" && input !== null) return input as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw damaged(`\`${id}\` has a line that makes no sense`);
}

function toHead(input: Record<string, unknown> | undefined, id: string): ManifestHead {
  const { version, at, session } = input ?? {};
  if (version !== 1 || typeof at !== "string") throw damaged(`\`${id}\` has no head that makes sense`);
  return { version, id, at, ...(typeof session === "string" ? { session } : {}) };
}

function addCall(manifest: Manifest, line: Record<string, unknown>, id: string): void {
  const { call, before, tree, left, after } = line;
  if (!isCount(call)) throw damaged(`\`${id}\` has a line that makes no sense`);
  if (isHash(tree)) {
    const said = Array.isArray(left) ? left.filter((each) => typeof each === "string") : [];
    manifest.starts.push({ call, tree, left: said });
  } else if (Array.isArray(before)) {
    manifest.starts.push({ call, before: before.map((each) => parseBefore(each, id)) });
  } else if (Array.isArray(after)) {
    manifest.ends.set(
      call,
      after.map((each) => parseStep(each, id)),
    );
  } else throw damaged(`\`${id}\` has a line that makes no sense`);
}

function parseBefore(input: unknown, id: string): [string, PathState] {
  const [path, given] = Array.isArray(input) ? (input as unknown[]) : [];
  const state = parseState(given);
  if (!isPath(path) || state === undefined) throw damaged(`\`${id}\` has a path that makes no sense`);
  return [path, state];
}

function parseStep(input: unknown, id: string): Step {
  const [path, from, to] = Array.isArray(input) ? (input as unknown[]) : [];
  const before = parseState(from);
  const after = parseState(to);
  if (!isPath(path) || before === undefined || after === undefined)
    throw damaged(`\`${id}\` has a path that makes no sense`);
  return { path, before, after };
}
