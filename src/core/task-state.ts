/**
 * What a long job knows of itself: the aim, what counts as finished, what is left. It survives compaction, kill and resume. Field names
 * are those of the `task_state_*` tools.
 */
export interface TaskState {
  objective?: string;
  /** What must hold before the job counts as done, in words; `processed == total` is checked, whatever else it says. */
  completion_gate?: string;
  total_count?: number;
  processed_count?: number;
  remaining_queue?: readonly string[];
  /** From the old name of an item to its new one. */
  rename_map?: Readonly<Record<string, string>>;
  last_error?: string;
  recovery_instruction?: string;
  next_action?: string;
  /** First 16 hexadecimal digits of the SHA-256 over the sorted queue. */
  inventory_hash?: string;
  /** ISO 8601, UTC. */
  last_updated?: string;
}
