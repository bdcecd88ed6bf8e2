import { toShortHash } from "./digest.ts";

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
  /** What was taken off the queue as done, oldest first: it is not taken in again. Kept for the model, not written by it. */
  processed_items?: readonly string[];
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

/** Everything is optional; what is absent stays. An empty text takes a field away. */
export interface TaskStateChange {
  objective?: string | undefined;
  completion_gate?: string | undefined;
  total_count?: number | undefined;
  processed_count?: number | undefined;
  remaining_queue?: readonly string[] | undefined;
  rename_map?: Readonly<Record<string, string>> | undefined;
  last_error?: string | undefined;
  recovery_instruction?: string | undefined;
  next_action?: string | undefined;
  /** Joins the end of the queue. */
  add?: readonly string[] | undefined;
  /** Leaves the queue and counts as processed; `*` stands for anything. */
  done?: readonly string[] | undefined;
}

/** First 16 hexadecimal digits of the SHA-256 over the sorted queue, one item a line. */
export async function toInventoryHash(queue: readonly string[]): Promise<string> {
  return toShortHash(queue.toSorted().join("\n"));
}

/** The same file, however a model spells its path: `./a.txt`, `/workspace/a.txt`, `a.txt `. */
export function toItemKey(item: string): string {
  return item
    .trim()
    .replaceAll("\\", "/")
    .replace(/^\/workspace\//, "")
    .replace(/^(?:\.\/+)+/, "");
}

/** How far the job is, such as `120 of 300 processed, 180 remaining (hash 0123456789abcdef)`; empty when nothing is counted. */
export function describeCounts(state: TaskState): string {
  const { total_count: total, processed_count: processed = 0, remaining_queue: queue } = state;
  if (total === undefined && state.processed_count === undefined && queue === undefined) return "";
  const done = total === undefined ? `${processed} processed` : `${processed} of ${total} processed`;
  if (queue === undefined) return done;
  const hash = state.inventory_hash === undefined ? "" : ` (hash ${state.inventory_hash})`;
  return `${done}, ${queue.length} remaining${hash}`;
}

/** Whether something is counted that is not done yet. */
export function isOpen({
  total_count: total,
  processed_count: processed = 0,
  remaining_queue: queue,
}: TaskState): boolean {
  return (queue !== undefined && queue.length > 0) || (total !== undefined && processed < total);
}

const EXAMPLES = 3;

/** The first few, and how many more there are. */
export function toExamples(items: readonly string[], most = EXAMPLES): string {
  const shown = items.slice(0, most).join(", ");
  return items.length > most ? `${shown} and ${items.length - most} more` : shown;
}
