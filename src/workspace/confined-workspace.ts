import { lstatSync, mkdirSync, type Stats } from "node:fs";
import { join, posix } from "node:path";
import { AgentError } from "../core/errors.ts";
import type { OutputLog } from "../core/output-log.ts";
import type { CallPreview } from "../core/tool.ts";
import { STATE_FOLDER } from "../core/workspace.ts";
import type {
  EditOutcome,
  FindFilesOptions,
  FoundFiles,
  ReadTextOptions,
  SearchTextOptions,
  TextChange,
  TextRead,
  TextSearch,
  Workspace,
  WorkspaceEntry,
  WriteOutcome,
} from "../core/workspace.ts";
import { planEdit, planWrite } from "./change-file.ts";
import { fileDiff, unifiedDiff } from "./diff.ts";
import { fileFailed, pathRefused, systemFailure } from "./failures.ts";
import { findFilesIn } from "./find-files.ts";
import type { Folder } from "./folder.ts";
import { listFolder } from "./list-folder.ts";
import { findNearName } from "./near-names.ts";
import { giveToOwner } from "./owner.ts";
import { parsePath } from "./paths.ts";
import { type Concerns, pathConcerns, refuseStateFolder } from "./protect.ts";
import type { createQuota } from "./quota.ts";
import { readTextOf } from "./read-file.ts";
import { replaceFile } from "./replace-file.ts";
import { createOutputLog, openStateFolder } from "./state.ts";
import { type Place, type WalkOptions, type WalkRoot, walkTo } from "./walk.ts";

/** A larger file that is named is not searched: one line of it could fill the memory. */
const MAX_SEARCH_BYTES = 1024 * 1024 * 1024;

export interface HeldRoot extends WalkRoot {
  readonly path: string;
}

/** The workspace on a real disk; see `walk.ts` for how paths are kept inside. */
export class ConfinedWorkspace implements Workspace {
  readonly root: string;
  readonly outputs: OutputLog;
  readonly #held: HeldRoot;
  readonly #quota: ReturnType<typeof createQuota>;
  readonly #identity: Stats;
  /** Where a previewed path led, by the path. */
  readonly #shown = new Map<string, string>();
  #closed = false;

  constructor(held: HeldRoot, quota: ReturnType<typeof createQuota>) {
    this.root = held.path;
    this.outputs = createOutputLog(held.folder);
    this.#held = held;
    this.#quota = quota;
    this.#identity = lstatSync(`${held.folder.path}/.`);
  }

  toRelative(path: string): string {
    return parsePath(path, this.#held.spellings);
  }

  async stat(path: string): Promise<WorkspaceEntry | undefined> {
    const relative = this.toRelative(path);
    return this.#at(relative, {}, async (place) => {
      if (!place?.stats) return undefined;
      const { stats } = place;
      const kind = stats.isFile() ? "file" : stats.isDirectory() ? "folder" : "other";
      return { path: relative, kind, sizeBytes: stats.size, modifiedMs: stats.mtimeMs };
    });
  }

  async list(
    path: string,
    { limit }: { limit: number },
  ): Promise<{ entries: readonly WorkspaceEntry[]; truncated: boolean }> {
    const relative = this.toRelative(path);
    return this.#inFolder(relative, async (folder) => listFolder(folder, relative, limit));
  }

  async readText(path: string, options: ReadTextOptions): Promise<TextRead> {
    return this.#atFile(path, (place, relative) => readTextOf(place, relative, options));
  }

  async writeText(path: string, text: string): Promise<WriteOutcome> {
    const relative = this.#writable(path);
    this.#quota.spend(relative, Buffer.byteLength(text));
    return this.#at(relative, { forWriting: true, makeFolders: true }, async (place) => {
      if (!place) throw fileFailed(relative, `cannot write ${relative}: its folder vanished meanwhile`);
      this.#refuseUnseen(relative, place);
      const planned = await planWrite(place, text, relative);
      await replaceFile(place, planned.bytes, relative, () => this.#refuseMoved());
      const lines = text === "" ? 0 : text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
      return { path: relative, created: place.stats === undefined, bytes: planned.bytes.length, lines };
    });
  }

  async editText(path: string, change: TextChange): Promise<EditOutcome> {
    const relative = this.#writable(path);
    return this.#atFile(
      path,
      async (place) => {
        this.#refuseUnseen(relative, place);
        const { edit, planned } = await planEdit(place, change, relative);
        if (!edit.ok || !planned) return { ...(edit as Extract<typeof edit, { ok: false }>), path: relative };
        this.#quota.spend(relative, planned.bytes.length);
        await replaceFile(place, planned.bytes, relative, () => this.#refuseMoved());
        const diff = await unifiedDiff(planned.before ?? "", planned.after, { context: 1 });
        return {
          ok: true,
          path: relative,
          replacements: edit.replacements,
          ...(edit.note ? { note: edit.note } : {}),
          diff,
        };
      },
      { forWriting: true },
    );
  }

  async makeFolder(path: string): Promise<{ path: string; created: boolean }> {
    const relative = this.#writable(path);
    this.#quota.spend(relative, 0);
    return this.#at(relative, { forWriting: true, makeFolders: true }, async (place) => {
      if (place?.stats?.isDirectory()) return { path: relative, created: false };
      if (!place || place.stats)
        throw fileFailed(relative, `cannot make the folder ${relative}: a file has this name`);
      this.#refuseUnseen(relative, place);
      try {
        mkdirSync(place.path);
        giveToOwner(place.folder, place.name);
      } catch (error) {
        throw systemFailure(relative, "make the folder", error);
      }
      return { path: relative, created: true };
    });
  }

  async findFiles(pattern: string, options: FindFilesOptions): Promise<FoundFiles> {
    const relative = this.toRelative(options.path ?? ".");
    return this.#inFolder(relative, (folder) =>
      findFilesIn(this.#held, { folder, relative }, pattern, options),
    );
  }

  async searchText(pattern: string, options: SearchTextOptions): Promise<TextSearch> {
    const relative = this.toRelative(options.path ?? ".");
    const entry = await this.stat(relative);
    if (entry?.kind === "file" && entry.sizeBytes > MAX_SEARCH_BYTES) {
      throw fileFailed(
        relative,
        `cannot search ${relative}: ${entry.sizeBytes} bytes; read parts of it instead`,
      );
    }
    const { searchTextIn } = await import("./search-text.ts");
    if (entry?.kind === "file") return searchTextIn(this.#held, { files: [relative] }, pattern, options);
    return this.#inFolder(relative, (folder) =>
      searchTextIn(this.#held, { folder: { folder, relative } }, pattern, options),
    );
  }

  async previewWrite(path: string, text: string): Promise<CallPreview> {
    const relative = this.#writable(path);
    return this.#weighed(relative, async (place) => {
      const planned: { before?: string; after: string } = place
        ? await planWrite(place, text, relative)
        : { after: text };
      return { kind: "diff", text: await fileDiff(relative, planned.before, planned.after) };
    });
  }

  async previewEdit(path: string, change: TextChange): Promise<CallPreview> {
    const relative = this.#writable(path);
    return this.#weighed(relative, async (place) => {
      const { edit, planned } = await planEdit(this.#file(place, relative), change, relative);
      if (!edit.ok || !planned) throw fileFailed(relative, edit.ok ? `cannot edit ${relative}` : edit.error);
      return { kind: "diff", text: await fileDiff(relative, planned.before, planned.after) };
    });
  }

  async previewMakeFolder(path: string): Promise<CallPreview> {
    const relative = this.#writable(path);
    return this.#weighed(relative, async () => ({ kind: "text", text: `create folder ${relative}` }));
  }

  async stateFolder(name: string): Promise<string> {
    this.#refuseMoved();
    openStateFolder(this.#held.folder, name).close();
    return join(this.root, STATE_FOLDER, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) this.#held.folder.close();
    this.#closed = true;
  }

  #writable(path: string): string {
    const relative = this.toRelative(path);
    refuseStateFolder(relative);
    return relative;
  }

  /** Looks at what a change would do, and adds what is to be said about its place. */
  async #weighed(
    relative: string,
    look: (place: Place | undefined) => Promise<Pick<CallPreview, "kind" | "text">>,
  ): Promise<CallPreview> {
    let found = relative;
    const onMissing = (path: string) => void (found = path);
    return this.#at(relative, { forWriting: true, onMissing }, async (place) => {
      found = place?.relative ?? found;
      const preview = await look(place);
      this.#shown.set(relative, found);
      return { ...preview, ...concernsOf(relative, found), writes: [...new Set([relative, found])] };
    });
  }

  /** A link that was made or turned after the preview may not lead to a protected file, which nobody was asked about. */
  #refuseUnseen(relative: string, place: Place): void {
    const found = place.relative;
    if (found === relative || this.#shown.get(relative) === found || !pathConcerns(found).refuseInAuto)
      return;
    throw pathRefused(
      relative,
      `it leads to \`${found}\`, which was not shown when this was decided; ask again`,
    );
  }

  /** Walks to a path and holds the place while `use` runs. */
  async #at<Result>(
    relative: string,
    options: Omit<WalkOptions, "shown">,
    use: (place: Place | undefined) => Promise<Result>,
  ): Promise<Result> {
    this.#refuseMoved();
    const place = walkTo(this.#held, relative, { ...options, shown: relative });
    try {
      return await use(place);
    } finally {
      place?.release();
    }
  }

  /** As `#at`, for a file that must be there. */
  async #atFile<Result>(
    path: string,
    use: (place: Place, relative: string) => Promise<Result>,
    options: Omit<WalkOptions, "shown"> = {},
  ): Promise<Result> {
    const relative = this.toRelative(path);
    return this.#at(relative, options, async (place) => use(this.#file(place, relative), relative));
  }

  #file(place: Place | undefined, relative: string): Place {
    if (!place?.stats) throw this.#noSuch("file", relative);
    if (place.stats.isDirectory()) throw fileFailed(relative, `${relative} is a folder, not a file; use ls`);
    if (!place.stats.isFile()) throw pathRefused(relative, "it is not a regular file");
    return place;
  }

  async #inFolder<Result>(relative: string, use: (folder: Folder) => Promise<Result>): Promise<Result> {
    return this.#at(relative, {}, async (place) => {
      if (!place?.stats) throw this.#noSuch("folder", relative);
      if (!place.stats.isDirectory()) throw fileFailed(relative, `no such folder: ${relative}; it is a file`);
      const folder = place.name === "" ? place.folder : openFolder(place, relative);
      try {
        return await use(folder);
      } finally {
        if (folder !== place.folder) folder.close();
      }
    });
  }

  #noSuch(kind: "file" | "folder", relative: string): AgentError {
    const near = findNearName(relative, (folder) => this.#namesIn(folder));
    return fileFailed(
      relative,
      `no such ${kind}: ${relative}${near === undefined ? "" : `; did you mean ${near}?`}`,
    );
  }

  #namesIn(relative: string): { name: string; isFolder: boolean }[] | undefined {
    let place: Place | undefined;
    try {
      place = walkTo(this.#held, relative, { shown: relative });
      if (!place?.stats?.isDirectory()) return undefined;
      const folder = place.name === "" ? place.folder : place.folder.open(place.name);
      const { entries } = listFolder(folder, ".", 5_000);
      if (folder !== place.folder) folder.close();
      return entries.map(({ path, kind }) => ({ name: posix.basename(path), isFolder: kind === "folder" }));
    } catch {
      return undefined;
    } finally {
      place?.release();
    }
  }

  /** The root must still be the folder that was opened: not moved away, not replaced. */
  #refuseMoved(): void {
    if (this.#closed)
      throw new AgentError("workspace_invalid", `The workspace \`${this.root}\` is closed.`, {
        data: { path: this.root },
      });
    const now = lstatSync(this.root, { throwIfNoEntry: false });
    if (now?.isDirectory() && now.ino === this.#identity.ino && now.dev === this.#identity.dev) return;
    throw pathRefused(
      this.root,
      "the workspace was moved or replaced since the start; start again in the folder you want",
    );
  }
}

function openFolder(place: Place, relative: string): Folder {
  try {
    return place.folder.open(place.name);
  } catch (error) {
    throw systemFailure(relative, "open", error);
  }
}

/** The name that was asked for may be a link to a place that is worse, or the other way round. */
function concernsOf(relative: string, resolved: string): Concerns {
  const asked = pathConcerns(relative);
  const found = pathConcerns(resolved);
  if (asked.refuseInAuto !== found.refuseInAuto) return found.refuseInAuto ? found : asked;
  return asked.concerns.length > 0 ? asked : found;
}
