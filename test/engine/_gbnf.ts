/**
 * A second reading of GBNF for tests: parses a grammar, accepts or refuses texts by it, and writes random texts that it allows.
 * Knows literals, character classes, groups, alternatives and the repetitions `*`, `+`, `?`, `{m,n}`.
 */
type Node =
  | { kind: "literal"; text: string }
  | { kind: "class"; negated: boolean; ranges: [number, number][] }
  | { kind: "reference"; name: string }
  | { kind: "sequence"; parts: Node[] }
  | { kind: "choice"; options: Node[] }
  | { kind: "repeat"; part: Node; min: number; max: number };

export type Grammar = Map<string, Node>;

export function parseGrammar(source: string): Grammar {
  const grammar: Grammar = new Map();
  for (const line of source.split("\n").filter((one) => one.trim() !== "")) {
    const [, name, body] = /^([a-zA-Z0-9-]+) ::= (.*)$/s.exec(line) ?? [];
    if (name === undefined || body === undefined) throw new Error(`no rule: ${line}`);
    if (grammar.has(name)) throw new Error(`rule twice: ${name}`);
    grammar.set(name, new BodyParser(body).parse());
  }
  for (const node of grammar.values()) checkReferences(node, grammar);
  return grammar;
}

function checkReferences(node: Node, grammar: Grammar): void {
  if (node.kind === "reference" && !grammar.has(node.name)) throw new Error(`no rule named ${node.name}`);
  if (node.kind === "sequence") node.parts.forEach((part) => checkReferences(part, grammar));
  if (node.kind === "choice") node.options.forEach((part) => checkReferences(part, grammar));
  if (node.kind === "repeat") checkReferences(node.part, grammar);
}

class BodyParser {
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#at < this.#text.length) throw new Error(`left over: ${this.#text.slice(this.#at)}`);
    return node;
  }

  #choice(): Node {
    const options = [this.#sequence()];
    while (this.#text[this.#at] === "|") {
      this.#at += 1;
      options.push(this.#sequence());
    }
    return options.length === 1 ? (options.at(0) as Node) : { kind: "choice", options };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (;;) {
      while (this.#text[this.#at] === " ") this.#at += 1;
      const next = this.#text[this.#at];
      if (next === undefined || next === "|" || next === ")") return { kind: "sequence", parts };
      parts.push(this.#repeated(this.#atom(next)));
    }
  }

  #repeated(part: Node): Node {
    const rest = this.#text.slice(this.#at);
    const [whole, simple, min, max] = /^(?:([*+?])|\{(\d+)(?:,(\d*))?\})/.exec(rest) ?? [];
    if (whole === undefined) return part;
    this.#at += whole.length;
    if (simple !== undefined)
      return { kind: "repeat", part, min: simple === "+" ? 1 : 0, max: simple === "?" ? 1 : Infinity };
    return {
      kind: "repeat",
      part,
      min: Number(min),
      max: max === undefined ? Number(min) : max === "" ? Infinity : Number(max),
    };
  }

  #atom(next: string): Node {
    if (next === '"') return this.#literal();
    if (next === "[") return this.#characterClass();
    if (next === "(") {
      this.#at += 1;
      const inner = this.#choice();
      if (this.#text[this.#at] !== ")") throw new Error("no )");
      this.#at += 1;
      return inner;
    }
    const [name] = /^[a-zA-Z0-9-]+/.exec(this.#text.slice(this.#at)) ?? [];
    if (name === undefined) throw new Error(`unexpected: ${this.#text.slice(this.#at)}`);
    this.#at += name.length;
    return { kind: "reference", name };
  }

  #literal(): Node {
    let text = "";
    this.#at += 1;
    while (this.#text[this.#at] !== '"') text += String.fromCodePoint(this.#character());
    this.#at += 1;
    return { kind: "literal", text };
  }

  #characterClass(): Node {
    this.#at += 1;
    const negated = this.#text[this.#at] === "^";
    if (negated) this.#at += 1;
    const ranges: [number, number][] = [];
    while (this.#text[this.#at] !== "]") {
      const from = this.#character();
      const isRange = this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]";
      if (isRange) this.#at += 1;
      ranges.push([from, isRange ? this.#character() : from]);
    }
    this.#at += 1;
    return { kind: "class", negated, ranges };
  }

  #character(): number {
    const rest = this.#text.slice(this.#at);
    if (rest === "") throw new Error("ends inside a literal");
    const [whole] = /^\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})/.exec(rest) ?? [];
    if (whole !== undefined) {
      this.#at += whole.length;
      return Number.parseInt(whole.slice(2), 16);
    }
    if (rest.startsWith("\\")) {
      this.#at += 2;
      const letter = rest.charAt(1);
      const escapes = new Map([
        ["n", "\n"],
        ["r", "\r"],
        ["t", "\t"],
      ]);
      return (escapes.get(letter) ?? letter).codePointAt(0) as number;
    }
    const code = rest.codePointAt(0) as number;
    this.#at += String.fromCodePoint(code).length;
    return code;
  }
}

/** Whether the whole text can be derived from `root`. */
export function accepts(grammar: Grammar, text: string): boolean {
  const seen = new Map<Node, Map<number, Set<number>>>();
  const ends = (node: Node, at: number): Set<number> => {
    let byStart = seen.get(node);
    if (byStart === undefined) seen.set(node, (byStart = new Map()));
    const known = byStart.get(at);
    if (known !== undefined) return known;
    const result = matchEnds(node, at);
    byStart.set(at, result);
    return result;
  };
  const matchEnds = (node: Node, at: number): Set<number> => {
    switch (node.kind) {
      case "literal":
        return new Set(text.startsWith(node.text, at) ? [at + node.text.length] : []);
      case "class": {
        const code = text.codePointAt(at);
        if (code === undefined) return new Set();
        return new Set(inClass(node, code) ? [at + String.fromCodePoint(code).length] : []);
      }
      case "reference":
        return ends(grammar.get(node.name) as Node, at);
      case "sequence":
        return node.parts.reduce(
          (starts, part) => new Set([...starts].flatMap((start) => [...ends(part, start)])),
          new Set([at]),
        );
      case "choice":
        return new Set(node.options.flatMap((option) => [...ends(option, at)]));
      case "repeat":
        return repeatEnds(node, at);
      default:
        throw new Error("unknown node");
    }
  };
  const repeatEnds = (node: Extract<Node, { kind: "repeat" }>, at: number): Set<number> => {
    const result = new Set(node.min === 0 ? [at] : []);
    let frontier = new Set([at]);
    for (let count = 1; count <= node.max && frontier.size > 0; count += 1) {
      const next = new Set([...frontier].flatMap((start) => [...ends(node.part, start)]));
      frontier = new Set([...next].filter((end) => count <= node.min || !result.has(end)));
      if (count >= node.min) next.forEach((end) => result.add(end));
    }
    return result;
  };
  return ends(grammar.get("root") as Node, 0).has(text.length);
}

function inClass({ negated, ranges }: Extract<Node, { kind: "class" }>, code: number): boolean {
  return negated !== ranges.some(([from, to]) => code >= from && code <= to);
}

/** A text of the grammar that `pick(n)`, a number from 0 to n - 1, decides. After many choices it takes the shortest way to an end. */
export function derive(grammar: Grammar, pick: (count: number) => number): string {
  const costs = findCosts(grammar);
  let left = 150;
  const write = (node: Node): string => {
    left -= 1;
    switch (node.kind) {
      case "literal":
        return node.text;
      case "class":
        return String.fromCodePoint(characterOf(node, pick));
      case "reference":
        return write(grammar.get(node.name) as Node);
      case "sequence":
        return node.parts.map(write).join("");
      case "choice":
        return write(
          left > 0 ? (node.options.at(pick(node.options.length)) as Node) : cheapest(node.options, costs),
        );
      case "repeat": {
        const extra = left > 0 ? pick(Math.min(3, node.max - node.min) + 1) : 0;
        return Array.from({ length: node.min + extra }, () => write(node.part)).join("");
      }
      default:
        throw new Error("unknown node");
    }
  };
  return write(grammar.get("root") as Node);
}

type Costs = ReadonlyMap<string, number>;

function costOf(node: Node, costs: Costs): number {
  switch (node.kind) {
    case "reference":
      return 1 + (costs.get(node.name) ?? Infinity);
    case "sequence":
      return node.parts.reduce((sum, part) => sum + costOf(part, costs), 0);
    case "choice":
      return Math.min(...node.options.map((option) => costOf(option, costs)));
    case "repeat":
      return node.min === 0 ? 0 : node.min * costOf(node.part, costs);
    case "literal":
      return node.text.length;
    default:
      return 1;
  }
}

/** What the shortest text of each rule costs; a rule without an end keeps an infinite cost. */
function findCosts(grammar: Grammar): Costs {
  const costs = new Map<string, number>();
  for (let changed = true; changed;) {
    changed = false;
    for (const [name, node] of [...grammar].reverse()) {
      const cost = costOf(node, costs);
      if (cost >= (costs.get(name) ?? Infinity)) continue;
      costs.set(name, cost);
      changed = true;
    }
  }
  return costs;
}

/** Rules that derive no text at all: a model that steps into one never gets out. */
export function findDeadRules(grammar: Grammar): string[] {
  const costs = findCosts(grammar);
  return [...grammar.keys()].filter((name) => !costs.has(name));
}

function cheapest(options: readonly Node[], costs: Costs): Node {
  return options.reduce((best, one) => (costOf(one, costs) < costOf(best, costs) ? one : best));
}

function characterOf(node: Extract<Node, { kind: "class" }>, pick: (count: number) => number): number {
  if (node.negated) {
    const all = [0x61, 0x20, 0x3c, 0x7b, 0x30, 0x5f, 0xe9, 0x20ac, 0x1f600, 0x41, 0x7a];
    const candidates = all.filter((code) => inClass(node, code));
    return candidates.at(pick(candidates.length)) as number;
  }
  const [from, to] = node.ranges.at(pick(node.ranges.length)) as [number, number];
  return from + pick(to - from + 1);
}
