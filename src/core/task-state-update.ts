/**
 * What one call of `task_state_update` makes of the task state. Updates are partial and merge. Counts are kept here, from what leaves the
 * queue: a small model that counts for itself soon miscounts, and then either stops early or never.
 */
import { changeQueue, type QueueChange } from "./task-state-queue.ts";
import {
  describeCounts,
  isOpen,
  toExamples,
  toItemKey,
  type TaskState,
  type TaskStateChange,
} from "./task-state.ts";

const WORDS = [
  "objective",
  "completion_gate",
  "last_error",
  "recovery_instruction",
  "next_action",
] as const satisfies readonly (keyof TaskState)[];

const COUNTS = ["total_count", "processed_count"] as const satisfies readonly (keyof TaskState)[];

/** `notes`: what was not taken as it was given, in words for the model. */
export type TaskStateUpdate =
  | { ok: true; state: TaskState; notes: readonly string[] }
  | { ok: false; error: string };

const MAX_WORDS = 1_000;
const MAX_ITEM = 300;
const MAX_ITEMS = 10_000;
/** More than these do not become processed by being left out of a queue: whoever means that many can say so. */
const MAX_LEFT_OUT = 50;

/** Changes nothing in `before`. Hash and time are the caller's to set. */
export function updateTaskState(before: TaskState, change: TaskStateChange): TaskStateUpdate {
  const problem = findProblem(change);
  if (problem !== undefined) return { ok: false, error: problem };
  const isNew = isNewJob(before, change);
  const base = isNew ? {} : before;
  const queue = changeQueue(base, change);
  const counted =
    queue.items === undefined ? countAlone(base, change, queue) : countQueue(base, change, queue);
  if (!counted.ok) return counted;
  if (queue.cameToNothing && isOnlyDone(change))
    return {
      ok: false,
      error: `${queue.notes.join("; ")}. ${describeCounts(base) || "Nothing is counted yet"}.`,
    };
  if ((queue.items?.length ?? 0) > MAX_ITEMS)
    return {
      ok: false,
      error: `the queue would have more than ${MAX_ITEMS} items; nothing was changed. Work in parts`,
    };
  const notes = [
    ...(isNew && Object.keys(before).length > 0 ? ["a new job starts; the finished one was put away"] : []),
    ...queue.notes,
    ...counted.notes,
  ];
  return { ok: true, notes, state: toState(base, change, { queue, counted }) };
}

type Counted =
  | { ok: true; processed?: number; total?: number; taken: readonly string[]; notes: readonly string[] }
  | { ok: false; error: string };
type Counts = Extract<Counted, { ok: true }>;

function toState(
  base: TaskState,
  change: TaskStateChange,
  { queue, counted }: { queue: QueueChange; counted: Counts },
): TaskState {
  const words = WORDS.flatMap((field) => {
    const text = (change[field] ?? base[field])?.trim();
    return text ? [[field, text] as const] : [];
  });
  const renames = { ...base.rename_map, ...change.rename_map };
  const processedItems = [...(base.processed_items ?? []), ...counted.taken];
  return {
    ...Object.fromEntries(words),
    ...(counted.total === undefined ? {} : { total_count: counted.total }),
    ...(counted.processed === undefined ? {} : { processed_count: counted.processed }),
    ...(queue.items === undefined ? {} : { remaining_queue: queue.items }),
    ...(processedItems.length > 0 ? { processed_items: processedItems } : {}),
    ...(Object.keys(renames).length > 0 ? { rename_map: renames } : {}),
  };
}

/** Without a queue there are only the numbers. */
function countAlone(base: TaskState, change: TaskStateChange, { taken }: QueueChange): Counted {
  const total = change.total_count ?? base.total_count;
  const known = base.processed_count ?? (total === undefined ? undefined : 0);
  const counted = taken.length === 0 ? known : (known ?? 0) + taken.length;
  const processed = taken.length === 0 ? (change.processed_count ?? counted) : counted;
  if (total !== undefined && processed !== undefined && processed > total)
    return {
      ok: false,
      error: `processed_count ${processed} is more than total_count ${total}; nothing was changed. Give both as they are`,
    };
  return {
    ok: true,
    taken,
    notes: [],
    ...(processed === undefined ? {} : { processed }),
    ...(total === undefined ? {} : { total }),
  };
}

/** With a queue the numbers follow from it; given ones have to fit. */
function countQueue(base: TaskState, change: TaskStateChange, queue: QueueChange): Counted {
  const { items = [], taken, leftOut } = queue;
  const { processed_count: givenProcessed, total_count: givenTotal } = change;
  const isFirst = base.remaining_queue === undefined && queue.taken.length === 0;
  const before = base.processed_count ?? 0;
  let processed = before + taken.length;
  let counted = taken;
  const notes: string[] = [];
  if (isFirst && givenProcessed !== undefined) processed = givenProcessed;
  const isCountedByHand = leftOut.length > 0 && givenProcessed === processed + leftOut.length;
  if (isCountedByHand && leftOut.length <= MAX_LEFT_OUT) {
    processed += leftOut.length;
    counted = [...taken, ...leftOut];
  } else if (leftOut.length > 0 && givenTotal === processed + items.length) {
    notes.push(`${toCount(leftOut)} left the job without being processed: ${toExamples(leftOut)}`);
  } else if (leftOut.length > 0) {
    return {
      ok: false,
      error: `this queue lacks ${toCount(leftOut)} not processed yet: ${toExamples(leftOut)}; nothing was changed. Finished items go into \`done\`, new ones into \`add\`; the rest of the queue is kept for you`,
    };
  }
  const total = processed + items.length;
  const misfits = [
    ...(givenProcessed === undefined || givenProcessed === processed
      ? []
      : [`processed_count ${givenProcessed}`]),
    ...(givenTotal === undefined || givenTotal === total ? [] : [`total_count ${givenTotal}`]),
  ];
  if (misfits.length > 0) {
    const sum = `${misfits.join(" and ")} ${misfits.length > 1 ? "do" : "does"} not fit: ${processed} processed + ${items.length} in the queue = ${total}`;
    if (counted.length === 0)
      return {
        ok: false,
        error: `${sum}; nothing was changed. Leave the counts out: they follow from \`done\` and the queue`,
      };
    notes.push(`${sum}, which counts`);
  }
  if (isFirst && givenTotal === undefined && base.total_count !== undefined && base.total_count !== total)
    notes.push(`total_count is now ${total}, as the queue says`);
  return { ok: true, processed, total, taken: counted, notes };
}

/**
 * A new aim with work of its own, when the old job is finished or is about other items. Otherwise a model that has forgotten what it did
 * and starts anew goes on where it was.
 */
function isNewJob(before: TaskState, change: TaskStateChange): boolean {
  const objective = change.objective?.trim();
  if (!objective || objective === before.objective) return false;
  const incoming = change.remaining_queue ?? change.add;
  if (incoming === undefined && change.total_count === undefined) return false;
  if (!isOpen(before)) return true;
  if (incoming === undefined || before.remaining_queue === undefined) return false;
  const known = new Set([...before.remaining_queue, ...(before.processed_items ?? [])].map(toItemKey));
  return !incoming.some((item) => known.has(toItemKey(item)));
}

function isOnlyDone({ done, ...rest }: TaskStateChange): boolean {
  return done !== undefined && Object.values(rest).every((value) => value === undefined);
}

function findProblem(change: TaskStateChange): string | undefined {
  for (const field of WORDS) {
    const { length } = change[field] ?? "";
    if (length > MAX_WORDS)
      return `\`${field}\` has ${length} characters, at most ${MAX_WORDS} are kept; say it shorter`;
  }
  for (const field of COUNTS) if ((change[field] ?? 0) < 0) return `\`${field}\` must not be below 0`;
  const lists = {
    remaining_queue: change.remaining_queue,
    add: change.add,
    done: change.done,
    rename_map: Object.entries(change.rename_map ?? {}).flat(),
  };
  for (const [field, list = []] of Object.entries(lists)) {
    if (list.length > MAX_ITEMS)
      return `\`${field}\` has ${list.length} items, at most ${MAX_ITEMS} are kept; work in parts`;
    const long = list.find(({ length }) => length > MAX_ITEM);
    if (long !== undefined)
      return `an item of \`${field}\` has ${long.length} characters, at most ${MAX_ITEM}: ${long.slice(0, 40)}…`;
  }
  return undefined;
}

function toCount({ length }: readonly string[]): string {
  return length === 1 ? "1 item" : `${length} items`;
}
