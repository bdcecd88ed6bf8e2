/** Patterns of rules. Matched without regular expressions, so that no pattern from a workspace can keep the agent busy. */
import { matchesWildcards } from "../core/wildcard.ts";

export interface PatternOptions {
  /** Case does not count; for rules that ask or deny, since some file systems do not tell it apart. */
  loose: boolean;
}

/** `*` stands for any characters. */
export function matchesText(pattern: string, text: string, { loose }: PatternOptions): boolean {
  return loose ? matchesStars(pattern.toLowerCase(), text.toLowerCase()) : matchesStars(pattern, text);
}

/** `*` stands for characters within a name, `**` for any folders; `docs/**` is also `docs` itself. All else is literal. */
export function matchesPath(pattern: string, path: string, { loose }: PatternOptions): boolean {
  const [from, to] = loose ? [pattern.toLowerCase(), path.toLowerCase()] : [pattern, path];
  return matchesWildcards(from.replace(/^\.\//, "").split("/"), to.split("/"), {
    many: "**",
    fits: matchesStars,
  });
}

function matchesStars(pattern: string, text: string): boolean {
  return matchesWildcards(pattern, text, { many: "*", fits: (one, other) => one === other });
}

export function isLiteral(pattern: string): boolean {
  return !pattern.includes("*");
}

/**
 * A path as a tool is given it, as names from the workspace's root; `undefined` when it leads out of it or is nothing of the kind.
 * Looks at the text alone: where links lead is the workspace's business.
 */
export function toRootRelative(path: string, root: string): string | undefined {
  const inside = path === root ? "." : path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
  if (inside.startsWith("/") || inside.includes("\0")) return undefined;
  const names: string[] = [];
  for (const name of inside.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.pop() === undefined) return undefined;
  }
  return names.length === 0 ? "." : names.join("/");
}
