/** Finite automata over code points: what `pattern`, `format`, lengths and names of keys have in common. */
import {
  complementSet,
  EVERY_CHARACTER,
  hasCharacter,
  intersectSets,
  toCharSet,
  unionSets,
} from "./char-set.ts";
import type { CharSet } from "./char-set.ts";

export interface Edge {
  set: CharSet;
  to: number;
}

export interface State {
  accepting: boolean;
  /** Sets of one state do not overlap. */
  edges: readonly Edge[];
}

/** Deterministic; the first state is the start. Without states it accepts nothing. */
export type Automaton = readonly State[];

/** Larger ones are no use as a grammar. */
export const STATE_LIMIT = 2000;
/** Bounds the work that one automaton can make. */
export const STEP_LIMIT = 400_000;

/** Stays inside: whoever is asked for an automaton answers `undefined`. */
export class TooLarge extends Error {}

/** `undefined`: too large; so with the other two. */
export function intersect(one: Automaton, other: Automaton): Automaton | undefined {
  return orTooLarge(() => product(one, other));
}

export function complement(automaton: Automaton): Automaton | undefined {
  return orTooLarge(() => invert(automaton));
}

export function unite(one: Automaton, other: Automaton): Automaton | undefined {
  return orTooLarge(() => invert(product(invert(one), invert(other))));
}

/** `undefined` where `work` throws `TooLarge`. */
export function orTooLarge<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof TooLarge) return undefined;
    throw error;
  }
}

/** Texts of `min` to `max` code points. */
export function ofLength(min: number, max?: number): Automaton {
  const count = (max ?? min) + 1;
  return Array.from({ length: count }, (_, at) => ({
    accepting: at >= min,
    edges:
      at < count - 1
        ? [{ set: EVERY_CHARACTER, to: at + 1 }]
        : max === undefined
          ? [{ set: EVERY_CHARACTER, to: at }]
          : [],
  }));
}

export function ofTexts(texts: readonly string[]): Automaton {
  const states: { accepting: boolean; next: Map<number, number> }[] = [{ accepting: false, next: new Map() }];
  for (const text of texts) {
    let at = 0;
    for (const character of text) {
      const code = character.codePointAt(0) as number;
      const next = states[at]?.next.get(code) ?? states.push({ accepting: false, next: new Map() }) - 1;
      states[at]?.next.set(code, next);
      at = next;
    }
    (states[at] as { accepting: boolean }).accepting = true;
  }
  return states.map(({ accepting, next }) => ({
    accepting,
    edges: [...next].map(([code, to]) => ({ set: toCharSet([[code, code]]), to })),
  }));
}

export function isEmpty(automaton: Automaton): boolean {
  return !automaton.some(({ accepting }) => accepting);
}

export function matches(automaton: Automaton, text: string): boolean {
  let at = automaton.length === 0 ? undefined : 0;
  for (const character of text) {
    if (at === undefined) return false;
    const code = character.codePointAt(0) as number;
    at = automaton[at]?.edges.find(({ set }) => hasCharacter(set, code))?.to;
  }
  return at !== undefined && automaton[at]?.accepting === true;
}

/** Fewest and most code points of its texts; no `max`: without end. */
export function lengthRange(automaton: Automaton): { min: number; max?: number } {
  if (automaton.length === 0) return { min: Infinity, max: 0 };
  let min = Infinity;
  let frontier = new Set([0]);
  for (let length = 0; length <= automaton.length; length += 1) {
    const states = [...frontier].map((at) => automaton[at] as State);
    if (min === Infinity && states.some(({ accepting }) => accepting)) min = length;
    frontier = new Set(states.flatMap(({ edges }) => edges.map(({ to }) => to)));
    if (frontier.size === 0) return { min, max: length };
  }
  return { min };
}

/** One edge for each place that several lead to. */
export function joinEdges(edges: readonly Edge[]): Edge[] {
  const byTarget = new Map<number, CharSet[]>();
  for (const { set, to } of edges) {
    const sets = byTarget.get(to);
    if (sets === undefined) byTarget.set(to, [set]);
    else sets.push(set);
  }
  return [...byTarget]
    .map(([to, sets]) => ({ set: unionSets(sets), to }))
    .filter(({ set }) => set.length > 0);
}

/** The texts of both. Throws `TooLarge`. */
export function product(one: Automaton, other: Automaton): Automaton {
  if (one.length === 0 || other.length === 0) return [];
  const states: State[] = [];
  const numbers = new Map<number, number>();
  const pending: [number, number][] = [];
  let steps = 0;
  const numberOf = (a: number, b: number): number => {
    const key = a * other.length + b;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    if (numbers.size >= STATE_LIMIT * 4) throw new TooLarge();
    numbers.set(key, numbers.size);
    pending.push([a, b]);
    return numbers.size - 1;
  };
  numberOf(0, 0);
  for (let at = 0; at < pending.length; at += 1) {
    const [a, b] = pending[at] as [number, number];
    const [left, right] = [one[a] as State, other[b] as State];
    steps += left.edges.length * right.edges.length;
    if (steps > STEP_LIMIT) throw new TooLarge();
    const edges = left.edges.flatMap((edge) =>
      right.edges.flatMap((second) => {
        const set = intersectSets(edge.set, second.set);
        return set.length === 0 ? [] : [{ set, to: numberOf(edge.to, second.to) }];
      }),
    );
    states.push({ accepting: left.accepting && right.accepting, edges: joinEdges(edges) });
  }
  const result = minimize(states);
  if (result.length > STATE_LIMIT) throw new TooLarge();
  return result;
}

/** All other texts. */
export function invert(automaton: Automaton): Automaton {
  const dead = automaton.length;
  const states = automaton.map(({ accepting, edges }) => {
    const rest = complementSet(unionSets([[], ...edges.map(({ set }) => set)]));
    return { accepting: !accepting, edges: rest.length === 0 ? edges : [...edges, { set: rest, to: dead }] };
  });
  return minimize([...states, { accepting: true, edges: [{ set: EVERY_CHARACTER, to: dead }] }]);
}

const MINIMIZE_LIMIT = 160;

/** Without states that lead nowhere; in small automata equal ones are joined (Moore's partition refinement, which is quadratic). */
export function minimize(states: readonly State[]): Automaton {
  const alive = findAlive(states);
  if (!alive.has(0)) return [];
  if (states.length > MINIMIZE_LIMIT) return fromGroups(states, [...states.keys()], alive);
  let groups = states.map(({ accepting }): number => (accepting ? 1 : 0));
  for (let count = 0; ;) {
    const numbers = new Map<string, number>();
    groups = states.map(({ edges }, at) => {
      const own = groups[at] as number;
      const live = edges
        .filter(({ to }) => alive.has(to))
        .map(({ set, to }) => ({ set, to: groups[to] as number }));
      const key = `${own}|${joinEdges(live)
        .map(({ set, to }) => `${to}:${set.join(";")}`)
        .sort()
        .join("|")}`;
      const number = numbers.get(key) ?? numbers.size;
      numbers.set(key, number);
      return number;
    });
    if (numbers.size === count) break;
    count = numbers.size;
  }
  return fromGroups(states, groups, alive);
}

function fromGroups(
  states: readonly State[],
  groups: readonly number[],
  alive: ReadonlySet<number>,
): Automaton {
  const order: number[] = [0];
  const numbers = new Map([[groups[0] as number, 0]]);
  const result: State[] = [];
  for (let at = 0; at < order.length; at += 1) {
    const { accepting, edges } = states[order[at] as number] as State;
    const mapped = edges
      .filter(({ to }) => alive.has(to))
      .map(({ set, to }) => {
        const group = groups[to] as number;
        if (!numbers.has(group)) {
          numbers.set(group, order.length);
          order.push(to);
        }
        return { set, to: numbers.get(group) as number };
      });
    result.push({ accepting, edges: joinEdges(mapped) });
  }
  return result;
}

/** States from which an accepting one can be reached. */
function findAlive(states: readonly State[]): ReadonlySet<number> {
  const sources = new Map<number, number[]>();
  states.forEach(({ edges }, at) => {
    for (const { to } of edges) {
      const list = sources.get(to);
      if (list === undefined) sources.set(to, [at]);
      else list.push(at);
    }
  });
  const alive = new Set([...states.keys()].filter((at) => states[at]?.accepting));
  for (const at of alive) sources.get(at)?.forEach((source) => alive.add(source));
  return alive;
}
