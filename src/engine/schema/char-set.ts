/** Sets of Unicode code points as sorted, disjoint ranges. Surrogates are never in one: JSON texts are well-formed Unicode. */
export type CharSet = readonly (readonly [from: number, to: number])[];

export const EVERY_CHARACTER: CharSet = [
  [0, 0xd7ff],
  [0xe000, 0x10ffff],
];

/** Ranges in any order, overlapping or not. */
export function toCharSet(ranges: readonly (readonly [number, number])[]): CharSet {
  const sorted = ranges.filter(([from, to]) => from <= to).sort(([one], [other]) => one - other);
  const merged: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return intersectSets(merged, EVERY_CHARACTER);
}

export function charactersOf(text: string): CharSet {
  return toCharSet(
    Array.from(text).map((one) => [one.codePointAt(0) as number, one.codePointAt(0) as number]),
  );
}

export function unionSets(sets: readonly CharSet[]): CharSet {
  return sets.length === 1 ? (sets[0] as CharSet) : toCharSet(sets.flat());
}

export function intersectSets(one: CharSet, other: CharSet): CharSet {
  const result: [number, number][] = [];
  for (let a = 0, b = 0; a < one.length && b < other.length;) {
    const [oneFrom, oneTo] = one[a] as [number, number];
    const [otherFrom, otherTo] = other[b] as [number, number];
    const from = Math.max(oneFrom, otherFrom);
    const to = Math.min(oneTo, otherTo);
    if (from <= to) result.push([from, to]);
    if (oneTo < otherTo) a += 1;
    else b += 1;
  }
  return result;
}

export function complementSet(set: CharSet): CharSet {
  const result: [number, number][] = [];
  let next = 0;
  for (const [from, to] of set) {
    if (from > next) result.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= 0x10ffff) result.push([next, 0x10ffff]);
  return intersectSets(result, EVERY_CHARACTER);
}

export function hasCharacter(set: CharSet, code: number): boolean {
  let low = 0;
  let high = set.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [from, to] = set[middle] as [number, number];
    if (code < from) high = middle - 1;
    else if (code > to) low = middle + 1;
    else return true;
  }
  return false;
}
