/** The store of checkpoints as others see it. What it is made of is loaded when the first request is under way, or asked for. */
import { realpathSync } from "node:fs";
import type { ChangeRecorder, CheckpointStore } from "../../core/checkpoint.ts";
import { AgentError, errorMessage } from "../../core/errors.ts";
import { type CheckpointBounds, CHECKPOINT_BOUNDS } from "./bounds.ts";
import { newCheckpointId } from "./checkpoint-id.ts";
import type { PruneOptions, PruneOutcome } from "./prune.ts";
import type { Checkpoints } from "./store.ts";

export interface CheckpointStoreOptions {
  /** Absolute path of the workspace. */
  root: string;
  bounds?: Partial<CheckpointBounds>;
}

export interface FileCheckpoints extends CheckpointStore, AsyncDisposable {
  /** Those of these checkpoints that are still there. */
  kept(ids: readonly string[]): Promise<string[]>;
  /** Removes what no session needs any more, and the oldest beyond a size. Gives way to runs; to be called when there is time. */
  prune(options?: PruneOptions): Promise<PruneOutcome>;
}

/** Throws `AgentError` `workspace_invalid` when the root cannot be opened. Writes nothing before the first change of a request. */
export function createCheckpointStore({ root, bounds }: CheckpointStoreOptions): FileCheckpoints {
  return new LazyCheckpoints(root, { ...CHECKPOINT_BOUNDS, ...bounds });
}

class LazyCheckpoints implements FileCheckpoints {
  readonly #root: string;
  readonly #bounds: CheckpointBounds;
  #loading: Promise<Checkpoints> | undefined;
  #isClosed = false;

  constructor(root: string, bounds: CheckpointBounds) {
    this.#bounds = bounds;
    try {
      this.#root = realpathSync.native(root);
    } catch (error) {
      throw new AgentError(
        "workspace_invalid",
        `The workspace \`${root}\` cannot be opened: ${errorMessage(error)}.`,
        {
          cause: error,
          data: { path: root },
        },
      );
    }
  }

  begin({ session }: { session?: string } = {}): ChangeRecorder {
    const id = newCheckpointId();
    // While the model reads the request there is time.
    if (this.#loading === undefined) setImmediate(() => void this.#prepare());
    return new LazyRecorder(id, async () => (await this.#load()).record({ id, session }));
  }

  async kept(ids: readonly string[]): Promise<string[]> {
    return ids.length === 0 ? [] : (await this.#load()).kept(ids);
  }

  async diff(ids: readonly string[], { signal }: { signal?: AbortSignal } = {}) {
    return ids.length === 0 ? [] : (await this.#load()).diff(ids, signal);
  }

  async undo(
    ids: readonly string[],
    { conflicts = "stop", signal }: { conflicts?: "stop" | "skip" | "force"; signal?: AbortSignal } = {},
  ) {
    if (ids.length === 0) return { restored: [], conflicts: [], failed: [] };
    return (await this.#load()).undo(ids, { conflicts, signal });
  }

  async prune(options: PruneOptions = {}): Promise<PruneOutcome> {
    return (await this.#load()).prune(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await (await this.#loading?.catch(() => undefined))?.close();
  }

  async #load(): Promise<Checkpoints> {
    if (this.#isClosed)
      throw new AgentError("workspace_invalid", `The workspace \`${this.#root}\` is closed.`);
    this.#loading ??= import("./store.ts").then(
      ({ Checkpoints }) => new Checkpoints(this.#root, this.#bounds),
    );
    return this.#loading;
  }

  async #prepare(): Promise<void> {
    try {
      await (await this.#load()).prepare();
    } catch {
      // Said when it is needed.
    }
  }
}

class LazyRecorder implements ChangeRecorder {
  readonly id: string;
  readonly #make: () => Promise<ChangeRecorder>;
  #recorder: Promise<ChangeRecorder> | undefined;
  #made: ChangeRecorder | undefined;

  constructor(id: string, make: () => Promise<ChangeRecorder>) {
    this.id = id;
    this.#make = make;
  }

  get changed(): boolean {
    return this.#made?.changed ?? false;
  }

  async before(
    paths: readonly string[] | undefined,
    options: { signal: AbortSignal },
  ): Promise<string | undefined> {
    try {
      this.#recorder ??= this.#make();
      this.#made = await this.#recorder;
    } catch (error) {
      const isFirst = this.#recorder !== undefined;
      this.#recorder = undefined;
      return isFirst ? `This call cannot be undone: ${errorMessage(error)}` : undefined;
    }
    return this.#made.before(paths, options);
  }

  async after(paths: readonly string[] | undefined): Promise<string | undefined> {
    return this.#made?.after(paths);
  }
}
