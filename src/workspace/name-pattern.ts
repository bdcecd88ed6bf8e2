/**
 * Patterns of names and paths: `*`, `?`, `[a-z]`, and `**` for any number of folders. Matching takes time in proportion to pattern
 * and path, whatever they are: they come from models and from files of the workspace.
 */
import { matchesWildcards } from "../core/wildcard.ts";

/** One part of a pattern between slashes: a test for one name. `deep` is `**`: any number of folders. */
export type Part = "deep" | ((name: string) => boolean);
/** One character of a name, or `any`: any number of them. */
type Token = "any" | ((letter: string) => boolean);

/** `undefined` for a pattern that matches nothing, such as one with an open bracket. */
export function parsePart(pattern: string): Part | undefined {
  const [, start = "", text = "", end = ""] = /^(\*?)([^*?[\\]+)(\*?)$/.exec(pattern) ?? [];
  if (text !== "" && start === "" && end === "") return (name) => name === text;
  if (text !== "" && end === "") return (name) => name.endsWith(text);
  if (text !== "" && start === "") return (name) => name.startsWith(text);
  const tokens = parseTokens(Array.from(pattern));
  return (
    tokens && ((name) => matchesWildcards(tokens, Array.from(name), { many: "any", fits: matchesToken }))
  );
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

export function matchesPath(parts: readonly Part[], names: readonly string[]): boolean {
  const [first, second] = parts;
  // The usual rule: one name at any depth.
  if (first === "deep" && typeof second === "function" && parts.length === 2)
    return second(names.at(-1) ?? "");
  return matchesWildcards<Part, string>(parts, names, {
    many: "deep",
    fits: (part, name) => part !== "deep" && part(name),
  });
}
