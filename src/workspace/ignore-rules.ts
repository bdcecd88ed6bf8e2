/**
 * What a `.gitignore` says; see gitignore(5). Read by us and not by the search program: the file may be a pipe that never ends, a
 * device or a link, and only our own walk tells. Matching takes time in proportion to pattern and name, whatever they are.
 */

/** One part of a pattern between slashes: a test for one name. `deep` is `**`: any number of folders. */
type Part = "deep" | ((name: string) => boolean);
/** One character of a name, or `any`: any number of them. */
type Token = "any" | ((letter: string) => boolean);

interface Rule {
  isNegated: boolean;
  foldersOnly: boolean;
  parts: readonly Part[];
}

export type IgnoreRules = readonly Rule[];

const MAX_RULES = 2_000;
const MAX_PATTERN_CHARACTERS = 500;

export function parseIgnoreRules(text: string): IgnoreRules {
  return linesOf(text).flatMap((line) => parseRule(line) ?? []);
}

/**
 * The rules as far as they are about folders, as text for a program that knows no other rules: what is below a folder left out
 * cannot be taken in again.
 */
export function toFolderRules(text: string): string {
  const lines = linesOf(text).filter((line) => parseRule(line) !== undefined);
  return lines.map((line) => (line.endsWith("/") ? line : `${line}/`)).join("\n");
}

/** What the rules say of a path, relative to their folder: `undefined` when nothing. The last word counts. */
export function isIgnoredBy(
  rules: IgnoreRules,
  names: readonly string[],
  isFolder: boolean,
): boolean | undefined {
  const rule = rules.findLast(
    ({ foldersOnly, parts }) => (isFolder || !foldersOnly) && matchesPath(parts, names),
  );
  return rule && !rule.isNegated;
}

function linesOf(text: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/, MAX_RULES)
    .map((line) => line.replace(/(?<!\\) +$/, ""))
    .filter((line) => line !== "" && !line.startsWith("#") && line.length <= MAX_PATTERN_CHARACTERS);
}

function parseRule(line: string): Rule | undefined {
  const isNegated = line.startsWith("!");
  const pattern = isNegated ? line.slice(1) : line;
  const foldersOnly = pattern.endsWith("/");
  const names = pattern.replace(/\/+$/, "").split("/");
  const isAnchored = names.length > 1;
  if (names[0] === "") names.shift();
  if (names.length === 0 || names.includes("")) return undefined;
  const parts: Part[] = isAnchored ? [] : ["deep"];
  for (const name of names) {
    const part = name === "**" ? "deep" : parsePart(name);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  // `folder/**` is about what is in the folder, not the folder.
  if (parts.at(-1) === "deep") parts.push(() => true);
  return { isNegated, foldersOnly, parts };
}

/** `undefined` for a pattern that matches nothing, such as one with an open bracket. */
function parsePart(pattern: string): Part | undefined {
  const [, start = "", text = "", end = ""] = /^(\*?)([^*?[\\]+)(\*?)$/.exec(pattern) ?? [];
  if (text !== "" && start === "" && end === "") return (name) => name === text;
  if (text !== "" && end === "") return (name) => name.endsWith(text);
  if (text !== "" && start === "") return (name) => name.startsWith(text);
  const tokens = parseTokens(Array.from(pattern));
  return tokens && ((name) => matchesAll(tokens, Array.from(name), "any", matchesToken));
}

function parseTokens(letters: readonly string[]): readonly Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < letters.length; at += 1) {
    const letter = letters[at] as string;
    if (letter === "*") {
      if (tokens.at(-1) !== "any") tokens.push("any");
    } else if (letter === "?") tokens.push(() => true);
    else if (letter === "[") {
      const set = parseSet(letters, at);
      if (set === undefined) return undefined;
      tokens.push(set.token);
      at = set.end;
    } else {
      if (letter === "\\") at += 1;
      const wanted = letters[at];
      if (wanted === undefined) return undefined;
      tokens.push((found) => found === wanted);
    }
  }
  return tokens;
}

/** `[a-z]`, `[!a]`; a closing bracket that comes first is a member. */
function parseSet(letters: readonly string[], start: number): { token: Token; end: number } | undefined {
  const isNegated = letters[start + 1] === "!" || letters[start + 1] === "^";
  const ranges: [string, string][] = [];
  let at = start + (isNegated ? 2 : 1);
  for (let isFirst = true; isFirst || letters[at] !== "]"; isFirst = false) {
    if (letters[at] === "\\") at += 1;
    const from = letters[at];
    if (from === undefined) return undefined;
    const isRange = letters[at + 1] === "-" && letters[at + 2] !== undefined && letters[at + 2] !== "]";
    const to = isRange ? (letters[at + 2] as string) : from;
    ranges.push([from, to]);
    at += isRange ? 3 : 1;
  }
  const isIn = (letter: string) => ranges.some(([from, to]) => from <= letter && letter <= to);
  return { token: (letter) => isIn(letter) !== isNegated, end: at };
}

function matchesToken(token: Token, letter: string): boolean {
  return token !== "any" && token(letter);
}

function matchesPath(parts: readonly Part[], names: readonly string[]): boolean {
  const [first, second] = parts;
  // The usual rule: one name at any depth.
  if (first === "deep" && typeof second === "function" && parts.length === 2)
    return second(names.at(-1) ?? "");
  return matchesAll<Part, string>(parts, names, "deep", (part, name) => part !== "deep" && part(name));
}

/** Whether patterns, of which `many` stands for any number of items, take all items in turn. Only the last `many` is ever tried again. */
function matchesAll<Pattern, Item>(
  patterns: readonly Pattern[],
  items: readonly Item[],
  many: Pattern,
  matches: (pattern: Pattern, item: Item) => boolean,
): boolean {
  let pattern = 0;
  let item = 0;
  let retry: { pattern: number; item: number } | undefined;
  while (item < items.length) {
    const current = patterns[pattern];
    if (current === many) {
      pattern += 1;
      retry = { pattern, item };
    } else if (current !== undefined && matches(current, items[item] as Item)) {
      pattern += 1;
      item += 1;
    } else if (retry) {
      retry = { pattern: retry.pattern, item: retry.item + 1 };
      ({ pattern, item } = retry);
    } else return false;
  }
  while (patterns[pattern] === many) pattern += 1;
  return pattern === patterns.length;
}
