/** Records what the calls of one request change: before each of them, so that a killed process leaves enough to undo it. */
import type { ChangeRecorder } from "../../core/checkpoint.ts";
import { type Archive, archiveFailure } from "./archive.ts";
import { NAMED_FILE_BYTES, sayIgnored, sayOmissions, some } from "./bounds.ts";
import { isSame, isUnrecorded, type PathState, type Step } from "./file-state.ts";
import { lookAt } from "./look.ts";
import { type ManifestHead, ManifestWriter } from "./manifest.ts";
import { refusal, resolveNamed } from "./named-paths.ts";
import { type Scan, scanWorkspace } from "./scan.ts";
import { writeTree } from "./trees.ts";

interface OpenCall {
  call: number;
  /** As the call gave them. */
  named: readonly string[] | undefined;
  /** What was there before, as far as it is known. */
  before: Map<string, PathState>;
  /** Of a command. */
  scan?: Scan;
}

export class RequestRecorder implements ChangeRecorder {
  readonly id: string;
  readonly #archive: Archive;
  readonly #manifest: ManifestWriter;
  readonly #open: OpenCall[] = [];
  readonly #said = new Set<string>();
  #calls = 0;
  #changed = false;

  constructor(archive: Archive, head: ManifestHead) {
    this.id = head.id;
    this.#archive = archive;
    this.#manifest = new ManifestWriter(() => archive.folder(), head);
  }

  get changed(): boolean {
    return this.#changed;
  }

  async before(
    paths: readonly string[] | undefined,
    { signal }: { signal: AbortSignal },
  ): Promise<string | undefined> {
    try {
      return await this.#archive.run(async () => {
        this.#archive.load();
        this.#archive.packs.forgetVanished();
        return paths === undefined ? this.#beforeCommand(signal) : this.#beforeNamed(paths);
      });
    } catch (error) {
      if (signal.aborted) return undefined;
      return this.#once(`This call cannot be undone: ${archiveFailure(error).message}`);
    }
  }

  async after(paths: readonly string[] | undefined): Promise<string | undefined> {
    try {
      return await this.#archive.run(async () => {
        const open = this.#take(paths);
        if (open === undefined) return undefined;
        return open.scan === undefined ? this.#afterPaths(open) : this.#afterCommand(open, open.scan);
      });
    } catch (error) {
      return this.#once(`What this call did can be undone by force only: ${archiveFailure(error).message}`);
    }
  }

  /** As `before`, for paths as they are on disk; within a task of the archive. */
  async beforePaths(paths: readonly string[], named: readonly string[] = paths): Promise<OpenCall> {
    const before = new Map<string, PathState>();
    for (const path of paths) before.set(path, await this.#keep(path));
    const call = await this.#start(() => ({ before: [...before] }));
    const open: OpenCall = { call, named, before };
    this.#open.push(open);
    return open;
  }

  async afterPaths(open: OpenCall): Promise<void> {
    this.#open.splice(this.#open.indexOf(open), 1);
    await this.#afterPaths(open);
  }

  async #beforeNamed(named: readonly string[]): Promise<string | undefined> {
    const resolved = resolveNamed(this.#archive.root, named);
    const paths = resolved.filter((path) => refusal(path) === undefined);
    const refused = resolved.filter((path) => refusal(path) !== undefined);
    if (paths.length > 0) {
      const { before } = await this.beforePaths(paths, named);
      for (const [path, state] of before) if (isUnrecorded(state)) refused.push(path);
    }
    return refused.length === 0 ? undefined : this.#once(`This cannot be undone: ${some(refused)}.`);
  }

  async #beforeCommand(signal: AbortSignal): Promise<string | undefined> {
    const archive = this.#archive;
    const { root, bounds, packs: keep, known } = archive;
    const scan = await scanWorkspace(root, { known, bounds, keep, signal });
    archive.known = scan.seen;
    const tree = await writeTree(scan.seen, keep);
    const omitted = sayOmissions(scan.omissions, bounds);
    const left = [omitted, sayIgnored(scan.omissions.ignored)].filter((said) => said !== undefined);
    const call = await this.#start(() => ({ tree, left }));
    this.#open.push({ call, named: undefined, before: new Map(), scan });
    return omitted === undefined ? undefined : this.#once(omitted);
  }

  /** What is on disk then is enough to undo the call, also after a power cut. */
  async #start(
    line: () => { before: [string, PathState][] } | { tree: string; left: string[] },
  ): Promise<number> {
    await this.#archive.packs.flush({ sync: true });
    const call = (this.#calls += 1);
    await this.#manifest.append({ call, ...line() }, { sync: true });
    this.#changed = true;
    return call;
  }

  async #afterPaths({ call, before }: OpenCall): Promise<undefined> {
    const steps: Step[] = [];
    for (const [path, was] of before) {
      const after = await this.#keep(path);
      if (!isSame(was, after)) steps.push({ path, before: was, after });
    }
    await this.#end(call, steps);
  }

  async #afterCommand({ call, before }: OpenCall, scan: Scan): Promise<string | undefined> {
    const archive = this.#archive;
    const { root, bounds, packs: keep } = archive;
    const now = await scanWorkspace(root, { known: scan.seen, bounds, keep, earlier: scan });
    archive.known = now.seen;
    const steps: Step[] = [];
    const note = (path: string, was: PathState, after: PathState): void => {
      if (!isSame(was, after)) steps.push({ path, before: was, after });
    };
    const leftOut = new Set(now.omissions.folders);
    for (const [path, { state }] of scan.seen) {
      const was = before.has(path) ? (before.get(path) ?? null) : state;
      const seen = now.seen.get(path);
      if (seen !== undefined) note(path, was, seen.state);
      else if (!isBelow(path, leftOut)) note(path, was, await this.#keep(path, true));
    }
    for (const [path, { state }] of now.seen)
      if (!scan.seen.has(path)) note(path, before.get(path) ?? null, state);
    await this.#end(call, steps);
    const more =
      leftOut.size > scan.omissions.folders.length ||
      now.omissions.files.length > scan.omissions.files.length;
    const omitted = more ? sayOmissions(now.omissions, bounds) : undefined;
    return omitted === undefined ? undefined : this.#once(omitted);
  }

  async #end(call: number, steps: readonly Step[]): Promise<void> {
    await this.#archive.packs.flush({ sync: false });
    const after = steps.map(({ path, before, after }) => [path, before, after] as const);
    await this.#manifest.append({ call, after: after.map((each) => [...each]) }, { sync: false });
    this.#archive.packs.syncLater();
    // Calls that were under way at the same time have not done this.
    for (const other of this.#open) {
      for (const { path, after: state } of steps)
        if (other.scan !== undefined || other.before.has(path)) other.before.set(path, state);
    }
  }

  /** `compare`: told in the same way as the last scan did. */
  async #keep(path: string, compare = false): Promise<PathState> {
    const { root, packs: keep, known, bounds } = this.#archive;
    const maxBytes = compare ? bounds.fileBytes : Math.max(bounds.fileBytes, NAMED_FILE_BYTES);
    const seen = await lookAt(root.folder, { path, known, maxBytes, keep, compare });
    return seen?.state ?? null;
  }

  #take(paths: readonly string[] | undefined): OpenCall | undefined {
    const isIt = ({ named }: OpenCall): boolean =>
      named === paths ||
      (named !== undefined && paths !== undefined && named.join("\0") === paths.join("\0"));
    const at = this.#open.findLastIndex(isIt);
    return at === -1 ? undefined : this.#open.splice(at, 1)[0];
  }

  #once(sentence: string): string | undefined {
    if (this.#said.has(sentence)) return undefined;
    this.#said.add(sentence);
    return sentence;
  }
}

function isBelow(path: string, folders: ReadonlySet<string>): boolean {
  if (folders.size === 0) return false;
  for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/", cut - 1))
    if (folders.has(path.slice(0, cut))) return true;
  return folders.has("");
}
