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
import type { Pattern, Regex } from "./regex.ts";

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
const NODE_LIMIT = 20_000;
/** Bounds the work that one automaton can make. */
const STEP_LIMIT = 400_000;

/** Nondeterministic: `free` edges need no character; those of an anchor count at the start or at the end of the text only. */
interface Node {
  free: { to: number; only?: "start" | "end" }[];
  set?: CharSet;
  to?: number;
}

class TooLarge extends Error {}

/** `undefined`: too large. */
export function toAutomaton({ search, ahead }: Pattern): Automaton | undefined {
  return orTooLarge(() => {
    let result = determinize(search);
    for (const { regex, negative } of ahead) {
      const one = determinize(regex);
      result = product(result, negative ? invert(one) : one);
    }
    return result;
  });
}

export function intersect(one: Automaton, other: Automaton): Automaton | undefined {
  return orTooLarge(() => product(one, other));
}

export function complement(automaton: Automaton): Automaton | undefined {
  return orTooLarge(() => invert(automaton));
}

export function unite(one: Automaton, other: Automaton): Automaton | undefined {
  return orTooLarge(() => invert(product(invert(one), invert(other))));
}

function orTooLarge(work: () => Automaton): Automaton | undefined {
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

const SIMULATION_LIMIT = 5_000_000;

/** Whether the pattern matches, without an automaton: for those that are too large for one. `undefined`: too much work. */
export function searchText({ search, ahead }: Pattern, text: string): boolean | undefined {
  const all = [{ regex: search, negative: false }, ...ahead];
  try {
    return all.every(({ regex, negative }) => simulate(regex, text) !== negative);
  } catch (error) {
    if (error instanceof TooLarge) return undefined;
    throw error;
  }
}

function simulate(regex: Regex, text: string): boolean {
  const { nodes, begin, last } = toNodes(regex);
  let members = closure(nodes, [begin], { start: true, end: false });
  let steps = 0;
  let start = true;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    steps += members.length;
    if (steps > SIMULATION_LIMIT) throw new TooLarge();
    const next = members.flatMap((at) => {
      const { set, to } = nodes[at] as Node;
      return set !== undefined && to !== undefined && hasCharacter(set, code) ? [to] : [];
    });
    members = closure(nodes, next, { start: false, end: false });
    start = false;
  }
  return closure(nodes, members, { start, end: true }).includes(last);
}

class NodeList {
  readonly nodes: Node[] = [];

  add(node: Node): number {
    if (this.nodes.length >= NODE_LIMIT) throw new TooLarge();
    return this.nodes.push(node) - 1;
  }

  /** Nodes for `regex` that go on to `next`; returns where they begin. */
  build(regex: Regex, next: number): number {
    switch (regex.kind) {
      case "set":
        return this.add({ free: [], set: regex.set, to: next });
      case "start":
      case "end":
        return this.add({ free: [{ to: next, only: regex.kind }] });
      case "sequence":
        return regex.parts.reduceRight((to, part) => this.build(part, to), next);
      case "choice":
        return this.add({ free: regex.options.map((option) => ({ to: this.build(option, next) })) });
      default:
        return this.#repeat(regex, next);
    }
  }

  #repeat({ part, min, max }: Extract<Regex, { kind: "repeat" }>, next: number): number {
    let to = next;
    if (max === undefined) {
      to = this.add({ free: [{ to: next }] });
      const again = this.build(part, to);
      this.nodes[to]?.free.push({ to: again });
    }
    for (let count = min; count < (max ?? min); count += 1)
      to = this.add({ free: [{ to: this.build(part, to) }, { to: next }] });
    for (let count = 0; count < min; count += 1) to = this.build(part, to);
    return to;
  }
}

/** The texts in which `regex` matches somewhere. */
function determinize(regex: Regex): Automaton {
  const { nodes, begin, last } = toNodes(regex);
  return explore(nodes, begin, last);
}

function toNodes(regex: Regex): { nodes: readonly Node[]; begin: number; last: number } {
  const list = new NodeList();
  const last = list.add({ free: [] });
  (list.nodes[last] as Node).set = EVERY_CHARACTER;
  (list.nodes[last] as Node).to = last;
  const begin = list.build(regex, last);
  const skip = list.add({ free: [{ to: begin }], set: EVERY_CHARACTER });
  (list.nodes[skip] as Node).to = skip;
  return { nodes: list.nodes, begin: skip, last };
}

function closure(
  nodes: readonly Node[],
  from: Iterable<number>,
  where: { start: boolean; end: boolean },
): number[] {
  const seen = new Set(from);
  for (const at of seen) {
    for (const { to, only } of nodes[at]?.free ?? []) {
      if (only === undefined || where[only]) seen.add(to);
    }
  }
  return [...seen].sort((one, other) => one - other);
}

function explore(nodes: readonly Node[], begin: number, last: number): Automaton {
  const states: State[] = [];
  const numbers = new Map<string, number>();
  const pending: { members: number[]; start: boolean }[] = [];
  let steps = 0;
  const numberOf = (members: number[], start: boolean): number => {
    const key = `${start ? "^" : ""}${members.join(",")}`;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    if (numbers.size >= STATE_LIMIT) throw new TooLarge();
    numbers.set(key, numbers.size);
    pending.push({ members, start });
    return numbers.size - 1;
  };
  numberOf(closure(nodes, [begin], { start: true, end: false }), true);
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const { members, start } = next;
    steps += members.length;
    if (steps > STEP_LIMIT) throw new TooLarge();
    const accepting = closure(nodes, members, { start, end: true }).includes(last);
    const moves = members.flatMap((at) => {
      const node = nodes[at] as Node;
      return node.set === undefined || node.to === undefined ? [] : [{ set: node.set, to: node.to }];
    });
    const edges = split(moves).map(({ set, targets }) => ({
      set,
      to: numberOf(closure(nodes, targets, { start: false, end: false }), false),
    }));
    states.push({ accepting, edges: joinEdges(edges) });
  }
  return minimize(states);
}

/** Overlapping moves to disjoint sets of characters, each with all the places it leads to. */
function split(moves: readonly Edge[]): { set: CharSet; targets: number[] }[] {
  const events = moves.flatMap(({ set, to }) =>
    set.flatMap(([from, end]) => [
      { at: from, to, change: 1 },
      { at: end + 1, to, change: -1 },
    ]),
  );
  events.sort((one, other) => one.at - other.at);
  const open = new Map<number, number>();
  const groups = new Map<string, { ranges: [number, number][]; targets: number[] }>();
  for (let index = 0; index < events.length;) {
    const { at } = events[index] as { at: number };
    for (let event = events[index]; event !== undefined && event.at === at; event = events[++index]) {
      const count = (open.get(event.to) ?? 0) + event.change;
      if (count === 0) open.delete(event.to);
      else open.set(event.to, count);
    }
    const until = events[index]?.at;
    if (until === undefined || open.size === 0) continue;
    const targets = [...open.keys()].sort((one, other) => one - other);
    const key = targets.join(",");
    const group = groups.get(key) ?? { ranges: [], targets };
    group.ranges.push([at, until - 1]);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ ranges, targets }) => ({ set: toCharSet(ranges), targets }));
}

function joinEdges(edges: readonly Edge[]): Edge[] {
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

function product(one: Automaton, other: Automaton): Automaton {
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

function invert(automaton: Automaton): Automaton {
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
