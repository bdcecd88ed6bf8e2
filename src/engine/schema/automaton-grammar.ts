/** Automata and plain regular expressions as grammar. */
import { charClass, choice, EMPTY, isNothing, NOTHING, repeat, sequence } from "./grammar.ts";
import type { Expression, Grammar } from "./grammar.ts";
import type { Automaton, State } from "./automaton.ts";
import type { CharSet } from "./char-set.ts";
import type { Regex } from "./regex.ts";

/**
 * One rule for each state that several lead to or that has a choice: at every character there is only one way to go on, which is what
 * llama.cpp is quickest at. `encode` writes a set of characters, as such or as JSON has them.
 */
export function automatonExpression(
  grammar: Grammar,
  automaton: Automaton,
  { name, encode }: { name: string; encode: (set: CharSet) => Expression },
): Expression {
  if (automaton.length === 0) return NOTHING;
  const uses = new Map<number, number>();
  for (const { edges } of automaton) for (const { to } of edges) uses.set(to, (uses.get(to) ?? 0) + 1);
  const isInline = (at: number): boolean => {
    const { edges, accepting } = automaton[at] as State;
    if (edges.length === 0) return true;
    return at !== 0 && uses.get(at) === 1 && edges.length === 1 && !accepting;
  };
  const rules = new Map(
    [...automaton.keys()].filter((at) => !isInline(at)).map((at) => [at, grammar.reserve(name)]),
  );
  const encoded = new Map<string, Expression>();
  const write = (set: CharSet): Expression => {
    const key = set.join(";");
    const known = encoded.get(key);
    if (known !== undefined) return known;
    const expression = encode(set);
    const kept = set.length > 8 ? grammar.rule(`${name}-set`, expression) : expression;
    encoded.set(key, kept);
    return kept;
  };
  /** The way from a state on, up to the next one that has a rule. */
  const follow = (from: number): Expression => {
    const parts: Expression[] = [];
    for (let at = from; ;) {
      const rule = rules.get(at);
      if (rule !== undefined) return sequence(...parts, rule);
      const [edge] = (automaton[at] as State).edges;
      if (edge === undefined) return sequence(...parts);
      parts.push(write(edge.set));
      at = edge.to;
    }
  };
  for (const [at, rule] of rules) {
    const { edges, accepting } = automaton[at] as State;
    const options = edges.map(({ set, to }) => sequence(write(set), follow(to)));
    grammar.define(rule, choice(accepting ? [...options, EMPTY] : options));
  }
  return follow(0);
}

/** As it is written, for small expressions without anchors that are known to be harmless. */
export function regexExpression(regex: Regex): Expression {
  switch (regex.kind) {
    case "set":
      return charClass(regex.set);
    case "sequence":
      return sequence(...regex.parts.map(regexExpression));
    case "choice":
      return choice(regex.options.map(regexExpression).filter((one) => !isNothing(one)));
    case "repeat":
      return repeat(regexExpression(regex.part), regex.min, regex.max);
    default:
      return EMPTY;
  }
}
