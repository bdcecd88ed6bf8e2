/**
 * What a `.gitignore` says; see gitignore(5). Read by us and not by the search program: the file may be a pipe that never ends, a
 * device or a link, and only our own walk tells.
 */
import { matchesPath, parsePart, type Part } from "./name-pattern.ts";

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
    .filter((line) => line.length <= MAX_PATTERN_CHARACTERS && !line.startsWith("#"))
    .map((line) => line.replace(/(?<!\\) +$/, ""))
    .filter((line) => line !== "");
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
