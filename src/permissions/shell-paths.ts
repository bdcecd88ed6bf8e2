/** Names of files in a command, for rules that ask or deny: better one too many than one too few. */
import { isHarmlessPart } from "../core/harmless-command.ts";
import { SANDBOX_ROOT } from "../core/sandbox.ts";
import type { ShellLine, ShellPart } from "../core/shell-line.ts";
import { matchesPath, toRootRelative } from "./pattern.ts";

/** Words, and pieces of words, that may be files; from the workspace's root. */
export interface NamedFiles {
  all: readonly string[];
  /** Of parts that may do more than read. */
  changed: readonly string[];
}

export function toNamedFiles({ parts, runs, understood }: ShellLine, root: string): NamedFiles {
  const wordsOf = (some: readonly ShellPart[]): string[] =>
    some.flatMap(({ argv }) => argv.map(({ text }) => text));
  const all = toNames([...wordsOf(parts), ...runs.flat()], root);
  const changed = understood ? toNames(wordsOf(parts.filter((part) => !isHarmlessPart(part))), root) : all;
  return { all, changed };
}

function toNames(words: readonly string[], root: string): string[] {
  const names = new Set<string>();
  // A file may follow an option, a revision or a host.
  for (const word of new Set(words))
    for (const piece of new Set([word, ...word.split(/[=:@,]/)])) names.add(toName(piece, root));
  names.delete("");
  return [...names];
}

/** Wherever a path begins, it is read as if it began in the root. */
function toName(piece: string, root: string): string {
  const inside = [root, SANDBOX_ROOT].find((each) => piece.startsWith(`${each}/`)) ?? "";
  return toRootRelative(piece.slice(inside.length).replace(/^(?:\.{0,2}\/)+/, ""), "") ?? "";
}

export function namesFile(pattern: string, names: readonly string[]): boolean {
  const loose = pattern.toLowerCase();
  // One without any name fits every word there is.
  if (!/[^*/.]/.test(loose)) return false;
  return names.some(
    (name) => matchesPath(loose, name, { loose: true }) || mayFind(name.toLowerCase(), loose),
  );
}

/** Whether a pattern of the shell may find such a file, as far as both are plain at their beginning. */
function mayFind(name: string, pattern: string): boolean {
  const start = name.split(/[*?[]/, 1)[0]!;
  if (start === name || start === "") return false;
  const own = pattern.replace(/^\.\//, "").split("*", 1)[0]!;
  return own !== "" && (own.startsWith(start) || start.startsWith(own));
}
