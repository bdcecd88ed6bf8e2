/**
 * Checkpoints: what the files of the workspace were before the first change of a request, so that the request can be undone together with
 * its part of the conversation. Implementation in `src/workspace`.
 */

/** Told by the loop around every call that can change files. Never throws: what cannot be recorded is said, and cannot be undone. */
export interface ChangeRecorder {
  /** Names what was recorded, for `diff` and `undo`, and in the session log. */
  readonly id: string;
  /** Something was recorded under `id`, and is on disk: true from the first call on that could change files. */
  readonly changed: boolean;
  /**
   * Before the call. `paths`: the files it writes, relative to the workspace; `undefined`: whatever it likes, as a command does. Returns
   * what the user should know, such as that the workspace is too large to be recorded.
   */
  before(paths: readonly string[] | undefined, options: { signal: AbortSignal }): Promise<string | undefined>;
  /** After the same call, however it ended. */
  after(paths: readonly string[] | undefined): Promise<string | undefined>;
}

export type FileChangeKind = "created" | "changed" | "deleted";

/** What happened to one file since a checkpoint. */
export interface FileChange {
  path: string;
  kind: FileChangeKind;
  /** Unified diff without file headers; absent for binary and very large files. */
  diff?: string;
  /** What is there now is not what the agent left: the user, or another program, has changed it since. */
  changedSince: boolean;
}

export interface UndoOutcome {
  /** Paths that are as before again. */
  restored: readonly string[];
  /** Left alone, because they were changed since. */
  conflicts: readonly string[];
  /** Could not be restored, with the reason in words. */
  failed: readonly { path: string; why: string }[];
  /** What commands may have changed besides, and nobody has looked at, in words. */
  unrecorded?: readonly string[];
  /** Checkpoint of what was overwritten or removed; undoing it brings that back. Absent when nothing was. */
  kept?: string;
}

export interface CheckpointStore {
  /**
   * Records one request of the user; nothing is on disk before its first change. What belongs to no session is kept for a week.
   */
  begin(options?: { session?: string }): ChangeRecorder;
  /** What the requests of these checkpoints, oldest first, have changed together. Throws `AgentError` `storage_failed`. */
  diff(ids: readonly string[], options?: { signal?: AbortSignal }): Promise<FileChange[]>;
  /**
   * Puts the files back to where they were before the first of these, oldest first. With conflicts nothing at all is restored, unless
   * `force`, which restores all, or `skip`, which leaves the conflicting ones alone.
   */
  undo(
    ids: readonly string[],
    options?: { conflicts?: "stop" | "skip" | "force"; signal?: AbortSignal },
  ): Promise<UndoOutcome>;
}
