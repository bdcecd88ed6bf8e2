/** The door of the workspace: one folder, and no way out of it. */
export { openWorkspace, type OpenWorkspaceOptions } from "./open.ts";
export {
  createCheckpointStore,
  type CheckpointStoreOptions,
  type FileCheckpoints,
} from "./checkpoints/lazy.ts";
export { CHECKPOINT_BOUNDS, type CheckpointBounds } from "./checkpoints/bounds.ts";
export type { PruneOptions, PruneOutcome } from "./checkpoints/prune.ts";
