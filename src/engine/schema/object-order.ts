/** The members of an object in the orders that a grammar allows: each key once, and none missing that is required. */
import { choice, EMPTY, isNothing, literal, NOTHING, optional, sequence } from "./grammar.ts";
import type { Expression, Grammar } from "./grammar.ts";
import { space } from "./json-text.ts";

export interface Members {
  members: readonly { key: string; pair: Expression; required: boolean }[];
  /** A member under another key; these come last. */
  extra: Expression;
  range: { min: number; max?: number; minItem?: { path: string }; maxItem?: { path: string } };
  /** Keys that ask for other keys. */
  dependents: ReadonlyMap<string, readonly string[]>;
}

/** One rule for each set of properties still to come: each once, in any order, and no end before the required ones. */
export function anyOrder(grammar: Grammar, members: Members): Expression {
  const { members: list, dependents } = members;
  const isComplete = (used: number): boolean => {
    const has = (key: string): boolean => list.some((one, at) => one.key === key && (used >> at) & 1);
    return list.every(({ key, required }, at) => {
      if (!((used >> at) & 1)) return !required;
      return (dependents.get(key) ?? []).every(has);
    });
  };
  const known = new Map<number, Expression>();
  const after = (used: number, count: number): Expression => {
    const made = known.get(used);
    if (made !== undefined) return made;
    const options = list.flatMap(({ pair }, at) =>
      (used >> at) & 1 ? [] : [sequence(start(grammar, count), pair, after(used | (1 << at), count + 1))],
    );
    if (isComplete(used)) options.push(ending(grammar, members, count));
    const body = choice(options.filter((one) => !isNothing(one)));
    const result = count === 0 ? body : grammar.rule("rest", body);
    known.set(used, result);
    return result;
  };
  return after(0, 0);
}

/** In the declared order, optional ones left out at will. Counts only where there are bounds. */
export function declaredOrder(grammar: Grammar, members: Members): Expression {
  const { members: list, range } = members;
  const isCounted = range.min > 0 || range.max !== undefined;
  const most = isCounted ? list.length : 1;
  let next = Array.from({ length: most + 1 }, (_, count) => ending(grammar, members, count));
  for (let at = list.length - 1; at >= 0; at -= 1) {
    const { pair, required } = list[at] as Members["members"][number];
    const following = next;
    next = Array.from({ length: Math.min(most, at) + 1 }, (_, count) => {
      const taken = sequence(start(grammar, count), pair, following[Math.min(count + 1, most)] ?? NOTHING);
      const options = required ? [taken] : [taken, following[count] ?? NOTHING];
      return grammar.rule("rest", choice(options.filter((one) => !isNothing(one))));
    });
  }
  return next[0] ?? NOTHING;
}

function start(grammar: Grammar, count: number): Expression {
  const ws = space(grammar);
  return count === 0 ? EMPTY : sequence(ws, literal(","), ws);
}

/** Further members and white space, after `count` of them. */
function ending(grammar: Grammar, { extra, range }: Members, count: number): Expression {
  const ws = space(grammar);
  const min = Math.max(0, range.min - count);
  const max = range.max === undefined ? undefined : range.max - count;
  if (max !== undefined && max < min) return NOTHING;
  if (isNothing(extra)) return min > 0 ? NOTHING : count === 0 ? EMPTY : ws;
  const more = grammar.rule("more", sequence(ws, literal(","), ws, extra));
  if (count > 0) return sequence(grammar.count(more, min, max), ws);
  if (max === 0) return EMPTY;
  const rest = grammar.count(more, Math.max(0, min - 1), max === undefined ? undefined : max - 1);
  const all = sequence(extra, rest, ws);
  return min === 0 ? optional(all) : all;
}
