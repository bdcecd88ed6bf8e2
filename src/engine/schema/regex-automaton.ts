/** From a regular expression to an automaton, and a look at a text without one. */
import {
  invert,
  joinEdges,
  minimize,
  orTooLarge,
  product,
  STATE_LIMIT,
  STEP_LIMIT,
  TooLarge,
} from "./automaton.ts";
import type { Automaton, Edge, State } from "./automaton.ts";
import { EVERY_CHARACTER, hasCharacter, toCharSet } from "./char-set.ts";
import type { CharSet } from "./char-set.ts";
import type { Pattern, Regex } from "./regex.ts";

const NODE_LIMIT = 20_000;

/** Nondeterministic: `free` edges need no character; those of an anchor count at the start or at the end of the text only. */
interface Node {
  free: { to: number; only?: "start" | "end" }[];
  set?: CharSet;
  to?: number;
}

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

const SIMULATION_LIMIT = 5_000_000;

/** Whether the pattern matches, without an automaton: for those that are too large for one. `undefined`: too much work. */
export function searchText({ search, ahead }: Pattern, text: string): boolean | undefined {
  const all = [{ regex: search, negative: false }, ...ahead];
  return orTooLarge(() => all.every(({ regex, negative }) => simulate(regex, text) !== negative));
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
