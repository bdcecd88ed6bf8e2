/** What a change makes of the queue of a task state: each item is taken in once and taken off once, whatever it is called. */
import { toExamples, toItemKey, type TaskState, type TaskStateChange } from "./task-state.ts";
import { matchesWildcards } from "./wildcard.ts";

export interface QueueChange {
  /** Absent: the job has no queue. */
  items?: readonly string[];
  /** Named in `done`, and not counted before. */
  taken: readonly string[];
  /** Were in the queue before, and are neither in the new one nor done. */
  leftOut: readonly string[];
  /** What was not taken as it was given, in words. */
  notes: readonly string[];
  /** Nothing that was named in `done` could be taken off. */
  cameToNothing: boolean;
}

export function changeQueue(base: TaskState, change: TaskStateChange): QueueChange {
  const notes: string[] = [];
  const before = base.remaining_queue;
  const renames = { ...base.rename_map, ...change.rename_map };
  const processed = new Set((base.processed_items ?? []).map(toItemKey));
  const isGiven = change.remaining_queue !== undefined || change.add !== undefined;
  const given = [...(change.remaining_queue ?? before ?? []), ...(change.add ?? [])];
  const queue = isGiven
    ? takeIn(given, { processed: withNewNames(processed, { renames, queue: before }), notes })
    : before;
  const done = findDone(change.done ?? [], {
    known: [...(before ?? []), ...(queue ?? [])],
    renames,
    processed,
  });
  const off = done.taken;
  if (queue === undefined && change.done !== undefined) {
    // Nothing says what belongs to the job, so everything does.
    const fresh = new Map(done.unknown.map((item) => [toItemKey(item), item]));
    for (const item of fresh.values()) off.add(item);
  } else if (done.unknown.length > 0)
    notes.push(`not in the queue, so not counted: ${toExamples(done.unknown)}`);
  if (done.repeated.length > 0)
    notes.push(`already processed, not counted again: ${toExamples(done.repeated)}`);
  const items = queue?.filter((item) => !off.has(item));
  const left = new Set(items?.map(toItemKey));
  return {
    ...(items === undefined ? {} : { items }),
    // In the order of the queue, so that what is logged of a change says all of it.
    taken: before === undefined ? [...off] : toOrder(before, off),
    leftOut: (before ?? []).filter((item) => !off.has(item) && !left.has(toItemKey(item))),
    notes,
    cameToNothing: change.done !== undefined && off.size === 0,
  };
}

/** A file that was renamed when it was processed is no other one, unless a file of that name waits in the queue. */
function withNewNames(
  processed: ReadonlySet<string>,
  {
    renames,
    queue = [],
  }: { renames: Readonly<Record<string, string>>; queue: readonly string[] | undefined },
): Set<string> {
  const targets = new Map(Object.entries(renames).map(([from, to]) => [toItemKey(from), toItemKey(to)]));
  const waiting = new Set(queue.map(toItemKey));
  const all = new Set(processed);
  // What is added while this goes on is gone through as well: names may have changed twice.
  for (const key of all) {
    const target = targets.get(key);
    if (target !== undefined && !waiting.has(target)) all.add(target);
  }
  return all;
}

function toOrder(queue: readonly string[], items: ReadonlySet<string>): string[] {
  const known = queue.filter((item) => items.has(item));
  const others = new Set(items);
  for (const item of known) others.delete(item);
  return [...known, ...others];
}

/** Once each, and not what is done. */
function takeIn(
  items: readonly string[],
  { processed, notes }: { processed: ReadonlySet<string>; notes: string[] },
): string[] {
  const fresh = new Map<string, string>();
  const done: string[] = [];
  let twice = 0;
  for (const item of items) {
    const key = toItemKey(item);
    if (key === "") continue;
    if (processed.has(key)) done.push(item);
    else if (fresh.has(key)) twice += 1;
    else fresh.set(key, item.trim());
  }
  if (done.length > 0) notes.push(`left out, since already processed: ${toExamples(done)}`);
  if (twice > 0) notes.push(`named twice and taken once: ${twice}`);
  return [...fresh.values()];
}

/** In one call: each is compared with every item. */
const MAX_PATTERNS = 50;

interface Known {
  known: readonly string[];
  renames: Readonly<Record<string, string>>;
  processed: ReadonlySet<string>;
}

interface Done {
  taken: Set<string>;
  repeated: string[];
  unknown: string[];
}

function findDone(named: readonly string[], { known, renames, processed }: Known): Done {
  const names = new Map(known.map((item) => [toItemKey(item), item]));
  let patterns = 0;
  const done: Done = { taken: new Set(), repeated: [], unknown: [] };
  const others = toOtherNames(renames);
  const find = (name: string): boolean => {
    const keys = [toItemKey(name), ...(others.get(toItemKey(name)) ?? [])];
    const item = keys.map((key) => names.get(key)).find((found) => found !== undefined);
    if (item !== undefined && !done.taken.has(item)) done.taken.add(item);
    else if (item !== undefined || keys.some((key) => processed.has(key))) done.repeated.push(name);
    else return false;
    return true;
  };
  for (const name of named) {
    if (name.trim() === "" || find(name)) continue;
    const isPattern = name.includes("*") && (patterns += 1) <= MAX_PATTERNS;
    const matching = isPattern ? known.filter((item) => fits(name, item)) : [];
    // A list that came as one text.
    const parts = name.split(/[\n,]/).filter((part) => part.trim() !== "");
    if (matching.length > 0) matching.forEach((item) => done.taken.add(item));
    else if (parts.length > 1) done.unknown.push(...parts.filter((part) => !find(part)));
    else done.unknown.push(name);
  }
  return done;
}

/** The old names of a new one, and the new one of an old. */
function toOtherNames(renames: Readonly<Record<string, string>>): Map<string, string[]> {
  const others = new Map<string, string[]>();
  const note = (name: string, other: string): void => {
    others.set(name, [...(others.get(name) ?? []), other]);
  };
  for (const [from, to] of Object.entries(renames)) {
    note(toItemKey(to), toItemKey(from));
    note(toItemKey(from), toItemKey(to));
  }
  return others;
}

function fits(pattern: string, item: string): boolean {
  return matchesWildcards(toItemKey(pattern), toItemKey(item), { many: "*", fits: (a, b) => a === b });
}
