/** How the indentation of a model's text corresponds to that of the file. */
export interface IndentPair {
  old: string;
  file: string;
}

/** `undefined` for an indentation that has no certain counterpart. */
export type IndentMap = (indent: string) => string | undefined;

export function indentOf(line: string): string {
  return /^[ \t]*/.exec(line)?.[0] ?? "";
}

/**
 * Finds one rule that explains every pair: the same, a fixed part more or less, or another unit. `undefined` when there is
 * none. `newIndents` and `fileUnit` (columns) settle the size of one level where the pairs do not show it.
 */
export function findIndentMap(
  pairs: readonly IndentPair[],
  hints: { newIndents: readonly string[]; fileUnit: number },
): IndentMap | undefined {
  if (pairs.every(({ old, file }) => old === file)) return (indent) => indent;
  return addedPrefix(pairs) ?? removedPrefix(pairs) ?? otherUnit(pairs, hints);
}

function addedPrefix(pairs: readonly IndentPair[]): IndentMap | undefined {
  const [first] = pairs;
  if (!first || !first.file.endsWith(first.old)) return undefined;
  const prefix = first.file.slice(0, first.file.length - first.old.length);
  return pairs.every(({ old, file }) => file === prefix + old) ? (indent) => prefix + indent : undefined;
}

function removedPrefix(pairs: readonly IndentPair[]): IndentMap | undefined {
  const [first] = pairs;
  if (!first || !first.old.endsWith(first.file)) return undefined;
  const prefix = first.old.slice(0, first.old.length - first.file.length);
  if (!pairs.every(({ old, file }) => old === prefix + file)) return undefined;
  return (indent) => {
    if (indent.startsWith(prefix)) return indent.slice(prefix.length);
    return prefix.startsWith(indent) ? "" : undefined;
  };
}

function otherUnit(
  pairs: readonly IndentPair[],
  { newIndents, fileUnit }: { newIndents: readonly string[]; fileUnit: number },
): IndentMap | undefined {
  const oldChar = onlyCharacter(pairs.map(({ old }) => old));
  const fileChar = onlyCharacter(pairs.map(({ file }) => file));
  if (oldChar === undefined || fileChar === undefined) return undefined;
  const sizes = pairs
    .map(({ old, file }) => ({ old: old.length, file: file.length }))
    .sort((a, b) => a.old - b.old);
  const low = sizes[0] as { old: number; file: number };
  const high = sizes.at(-1) as { old: number; file: number };
  const steps = newIndents.map((indent) => Math.abs(indent.length - low.old)).filter((step) => step > 0);
  const guess = fileChar === "\t" ? 1 / Math.min(...steps, 8) : oldChar === "\t" ? fileUnit : 1;
  const slope = high.old > low.old ? (high.file - low.file) / (high.old - low.old) : guess;
  if (slope <= 0 || !sizes.every(({ old, file }) => file === low.file + slope * (old - low.old)))
    return undefined;
  return (indent) => {
    const size = low.file + slope * (indent.length - low.old);
    if (indent !== "" && onlyCharacter([indent]) !== oldChar && oldChar !== "") return undefined;
    return size < 0 || !Number.isInteger(size) ? undefined : (fileChar || " ").repeat(size);
  };
}

/** The one character all indentation is made of, empty when there is none, `undefined` for a mixture. */
function onlyCharacter(indents: readonly string[]): string | undefined {
  const characters = new Set(indents.join(""));
  return characters.size > 1 ? undefined : ([...characters][0] ?? "");
}

/** Columns of one level of indentation in a text: the smallest step that occurs, or 4. */
export function indentUnit(lines: readonly string[]): number {
  const sizes = lines.map((line) => /^ +(?=\S)/.exec(line)?.[0].length ?? 0).filter((size) => size > 1);
  return sizes.length === 0 ? 4 : sizes.reduce((a, b) => Math.min(a, b));
}
