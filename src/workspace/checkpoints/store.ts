import type { FileChange, UndoOutcome } from "../../core/checkpoint.ts";
import { AgentError } from "../../core/errors.ts";
import { Archive, archiveFailure } from "./archive.ts";
import type { CheckpointBounds } from "./bounds.ts";
import { newCheckpointId } from "./checkpoint-id.ts";
import { hasManifest } from "./manifest.ts";
import { pruneArchive, type PruneOptions, type PruneOutcome } from "./prune.ts";
import { RequestRecorder } from "./recorder.ts";
import { diffCheckpoints, undoCheckpoints } from "./undo.ts";

export interface NewCheckpoint {
  id: string;
  session?: string | undefined;
}

/** What the door in `lazy.ts` loads when it is first needed. */
export class Checkpoints {
  readonly #archive: Archive;

  constructor(root: string, bounds: CheckpointBounds) {
    this.#archive = new Archive(root, bounds);
  }

  record({ id, session }: NewCheckpoint): RequestRecorder {
    const at = new Date().toISOString();
    return new RequestRecorder(this.#archive, {
      version: 1,
      id,
      at,
      ...(session === undefined ? {} : { session }),
    });
  }

  /** Reads what earlier processes have kept, so that the first command need not wait for it. */
  async prepare(): Promise<void> {
    await this.#archive.run(async () => this.#archive.load());
  }

  async kept(ids: readonly string[]): Promise<string[]> {
    return this.#run({ done: "looked up" }, async () => {
      const folder = this.#archive.existing();
      return ids.filter((id) => hasManifest(folder, id));
    });
  }

  async diff(ids: readonly string[], signal?: AbortSignal): Promise<FileChange[]> {
    return this.#run({ done: "compared", signal }, () => diffCheckpoints(this.#archive, ids, signal));
  }

  async undo(
    ids: readonly string[],
    { conflicts, signal }: { conflicts: "stop" | "skip" | "force"; signal?: AbortSignal | undefined },
  ): Promise<UndoOutcome> {
    const recorder = this.record({ id: newCheckpointId() });
    return this.#run({ done: "undone", signal }, () =>
      undoCheckpoints(this.#archive, ids, { conflicts, recorder, signal }),
    );
  }

  async prune(options: PruneOptions): Promise<PruneOutcome> {
    return this.#run({ done: "removed" }, () => pruneArchive(this.#archive, options));
  }

  async close(): Promise<void> {
    await this.#archive.close();
  }

  async #run<Result>(
    { done, signal }: { done: string; signal?: AbortSignal | undefined },
    task: () => Promise<Result>,
  ): Promise<Result> {
    return this.#archive.run(async () => {
      try {
        return await task();
      } catch (error) {
        if (AgentError.is(error)) throw error;
        signal?.throwIfAborted();
        const { message } = archiveFailure(error);
        throw new AgentError("storage_failed", `Nothing was ${done}: ${message}`, { cause: error });
      }
    });
  }
}
