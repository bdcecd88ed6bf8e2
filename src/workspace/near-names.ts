import { posix } from "node:path";
import { UNSEARCHED_FOLDERS } from "./protect.ts";

/** Bounds of the search, so that a wrong name in a huge tree costs milliseconds. */
const MAX_FOLDERS = 200;
const MAX_NAMES = 5_000;

/** Lists one folder for the search; `undefined` when it cannot be read. */
export type ListNames = (folder: string) => { name: string; isFolder: boolean }[] | undefined;

/** The path in the workspace that was probably meant: the same name elsewhere first, then the closest spelling. */
export function findNearName(wanted: string, list: ListNames): string | undefined {
  const name = posix.basename(wanted).toLowerCase();
  const folder = posix.dirname(wanted);
  let best: { path: string; score: number } | undefined;
  for (const path of pathsAround(folder, list)) {
    const score =
      nearness(name, posix.basename(path).toLowerCase()) + (posix.dirname(path) === folder ? 0.1 : 0);
    if (score >= 0.6 && score > (best?.score ?? 0)) best = { path, score };
  }
  return best?.path;
}

/** Everything in the folder itself, then breadth first from the root. */
function* pathsAround(folder: string, list: ListNames): Generator<string> {
  const queue = [folder, "."];
  const seen = new Set<string>();
  let names = 0;
  for (let at = 0; at < queue.length && seen.size < MAX_FOLDERS; at += 1) {
    const current = queue[at] as string;
    if (seen.has(current)) continue;
    seen.add(current);
    for (const { name, isFolder } of list(current) ?? []) {
      names += 1;
      if (names > MAX_NAMES) return;
      const path = posix.join(current, name);
      if (isFolder && !UNSEARCHED_FOLDERS.includes(name)) queue.push(path);
      yield path;
    }
  }
}

/** 1 for the same word, falling with every letter pair that only one of them has. */
function nearness(one: string, other: string): number {
  if (one === other) return 1;
  if (stem(one) === stem(other)) return 0.9;
  return pairSimilarity(one, other);
}

function stem(name: string): string {
  return name.replace(/\.[^.]*$/, "").replaceAll(/[-_ .]/g, "");
}

/** Share of letter pairs that two texts have in common, from 0 to 1. */
export function pairSimilarity(one: string, other: string): number {
  if (one === other) return 1;
  if (one.length < 2 || other.length < 2) return 0;
  const pairs = new Map<string, number>();
  for (let at = 0; at < one.length - 1; at += 1) {
    const pair = one.slice(at, at + 2);
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  let shared = 0;
  for (let at = 0; at < other.length - 1; at += 1) {
    const pair = other.slice(at, at + 2);
    const left = pairs.get(pair) ?? 0;
    if (left === 0) continue;
    pairs.set(pair, left - 1);
    shared += 1;
  }
  return (2 * shared) / (one.length + other.length - 2);
}
