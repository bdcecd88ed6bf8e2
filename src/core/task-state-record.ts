/**
 * A change of the task state as it is logged: short, however long the queue. Written whole, a queue of 300 files that is recorded at
 * each of its 300 updates would be 45,000 lines; here it is written once, and then what was taken off it.
 */
import type { TaskState } from "./task-state.ts";

export interface TaskStateRecord {
  /** All of it; with `taken`, without `remaining_queue`, `processed_items` and `rename_map`, which follow from the record before. */
  state: TaskState;
  /** Taken off the queue as done since the record before. */
  taken?: readonly string[];
  /** Joined `rename_map` since the record before. */
  renamed?: Readonly<Record<string, string>>;
}

/** What to log so that `applyTaskStateRecord` makes `after` of `before`, the state logged last. */
export function toTaskStateRecord(before: TaskState | undefined, after: TaskState): TaskStateRecord {
  const { remaining_queue: queue, processed_items: processed, rename_map: renames, ...state } = after;
  if (before?.remaining_queue === undefined || queue === undefined) return { state: after };
  const left = new Set(queue);
  const known = before.rename_map ?? {};
  const added = Object.entries(renames ?? {}).filter(([from, to]) => known[from] !== to);
  const record: TaskStateRecord = {
    state,
    taken: before.remaining_queue.filter((item) => !left.has(item)),
    ...(added.length > 0 ? { renamed: Object.fromEntries(added) } : {}),
  };
  const again = applyTaskStateRecord(before, record);
  const same =
    isSame(again.remaining_queue, queue) &&
    isSame(again.processed_items, processed) &&
    isSame(Object.entries(again.rename_map ?? {}).flat(), Object.entries(renames ?? {}).flat());
  return same ? record : { state: after };
}

/** The state after a record, from the state before it. */
export function applyTaskStateRecord(
  before: TaskState | undefined,
  { state, taken, renamed }: TaskStateRecord,
): TaskState {
  if (taken === undefined) return state;
  const off = new Set(taken);
  const queue = before?.remaining_queue ?? [];
  const processed = [...(before?.processed_items ?? []), ...taken];
  const renames = { ...before?.rename_map, ...renamed };
  return {
    ...state,
    remaining_queue: off.size === 0 ? queue : queue.filter((item) => !off.has(item)),
    ...(processed.length > 0 ? { processed_items: processed } : {}),
    ...(Object.keys(renames).length > 0 ? { rename_map: renames } : {}),
  };
}

function isSame(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
