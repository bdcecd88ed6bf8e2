/** Where checkpoints of one workspace are kept, `.lmagent/checkpoints`, and what is known of the files of the workspace. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fchownSync,
  lstatSync,
  openSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { AgentError, errnoOf } from "../../core/errors.ts";
import { STATE_FOLDER } from "../../core/workspace.ts";
import { systemFailure } from "../failures.ts";
import { type Folder, holdFolder } from "../folder.ts";
import { ownerIn } from "../owner.ts";
import { openStateFolder } from "../state.ts";
import type { WalkRoot } from "../walk.ts";
import type { CheckpointBounds } from "./bounds.ts";
import type { PathState } from "./file-state.ts";
import { lookAt, type Seen } from "./look.ts";
import { Packs } from "./packs.ts";
import { markInUse, markUnused } from "./in-use.ts";
import { INDEX, readIndex, toIndexText } from "./seen-index.ts";

const CHECKPOINTS = "checkpoints";

export class Archive {
  readonly bounds: CheckpointBounds;
  readonly root: WalkRoot;
  readonly packs: Packs;
  /** Of this process's own files. */
  readonly name: string;
  /** What the last scan saw. */
  known: ReadonlyMap<string, Seen> = new Map();
  readonly #path: string;
  readonly #identity: Stats;
  #folder: Folder | undefined;
  #isLoaded = false;
  #savedAs: ReadonlyMap<string, Seen> | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isClosed = false;

  /** `root`: absolute, links resolved. Throws the system's error. */
  constructor(root: string, bounds: CheckpointBounds) {
    this.bounds = bounds;
    this.#path = root;
    this.root = { folder: holdFolder(root), spellings: [root] };
    this.#identity = lstatSync(`${this.root.folder.path}/.`);
    this.name = `${Date.now().toString(36)}-${process.pid}-${randomBytes(4).toString("hex")}`;
    this.packs = new Packs(() => this.folder(), this.name);
  }

  /** One task after another: what one has seen holds until it ends. */
  run<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#waiting += 1;
    const result = this.#tail.then(() => {
      this.#waiting -= 1;
      this.#refuseMoved();
      return task();
    });
    this.#tail = result.catch(() => {});
    return result;
  }

  /** Something waits for the task under way to end. */
  get isWanted(): boolean {
    return this.#waiting > 0;
  }

  /** The folder, made where it is missing. */
  folder(): Folder {
    if (this.#folder !== undefined && isThere(this.#folder)) return this.#folder;
    this.#folder?.close();
    this.#folder = undefined;
    const folder = openStateFolder(this.root.folder, CHECKPOINTS);
    this.#folder = folder;
    markInUse(folder, this.name);
    return folder;
  }

  /** The folder, unless it is missing. */
  existing(): Folder | undefined {
    if (this.#folder !== undefined && isThere(this.#folder)) return this.#folder;
    let state: Folder | undefined;
    try {
      state = this.root.folder.open(STATE_FOLDER);
      const there = lstatSync(`${state.path}/${CHECKPOINTS}`, { throwIfNoEntry: false });
      return there && this.folder();
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      // Says what is in the way.
      return this.folder();
    } finally {
      state?.close();
    }
  }

  /** Learns what was kept and seen earlier; nothing when that was done before. */
  load(): void {
    const folder = this.#isLoaded ? undefined : this.existing();
    this.#isLoaded = true;
    if (folder === undefined) return;
    this.packs.load();
    this.known = readIndex(folder);
    this.#savedAs = this.known;
  }

  /** What is at a path now, without keeping it. */
  async seenNow(path: string, maxBytes: number): Promise<Seen | null> {
    return lookAt(this.root.folder, { path, known: this.known, maxBytes });
  }

  async stateNow(path: string, maxBytes: number): Promise<PathState> {
    return (await this.seenNow(path, maxBytes))?.state ?? null;
  }

  /** Writes down what was seen, so that the next process need not read it again. Only a saving: failures are no matter. */
  saveIndex(): void {
    if (this.#savedAs === this.known || this.#folder === undefined) return;
    const temporary = `${this.#folder.path}/.${randomBytes(9).toString("base64url")}.tmp`;
    try {
      const fd = openSync(temporary, "wx", 0o600);
      try {
        const owner = ownerIn(this.#folder);
        if (owner) fchownSync(fd, owner.uid, owner.gid);
        writeFileSync(fd, toIndexText(this.known));
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, `${this.#folder.path}/${INDEX}`);
      this.#savedAs = this.known;
    } catch {
      unlinkQuietly(temporary);
    }
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#tail;
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.packs.flush({ sync: true }).catch(() => {});
    this.saveIndex();
    this.packs.close();
    if (this.#folder !== undefined) markUnused(this.#folder, this.name);
    this.#folder?.close();
    this.root.folder.close();
  }

  /** The root must still be the folder that was opened. */
  #refuseMoved(): void {
    if (this.#isClosed)
      throw new AgentError("workspace_invalid", `The workspace \`${this.#path}\` is closed.`);
    const now = lstatSync(this.#path, { throwIfNoEntry: false });
    if (now?.isDirectory() && now.ino === this.#identity.ino && now.dev === this.#identity.dev) return;
    throw new AgentError(
      "workspace_invalid",
      `The workspace \`${this.#path}\` was moved or replaced since the start; start again in the folder you want.`,
      { data: { path: this.#path } },
    );
  }
}

/** What went wrong, in words. */
export function archiveFailure(error: unknown): AgentError {
  return systemFailure(`${STATE_FOLDER}/${CHECKPOINTS}`, "write to", error);
}

/** A folder that was removed can still be held, but nothing can be made in it. */
function isThere(folder: Folder): boolean {
  try {
    return lstatSync(`${folder.path}/.`).nlink > 0;
  } catch {
    return false;
  }
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never made.
  }
}
