import { findIndentMap, type IndentMap, indentOf, indentUnit } from "./indent.ts";
import { toFileSpelling, toPlain } from "./lookalikes.ts";

/** An edit as whole lines. */
export interface LineChange {
  old: string[];
  new: string[];
}

/** The part of a note that says so. */
export const INDENTATION = "indentation (new was re-indented to fit)";

/** More line pairs than this are not compared one by one. */
const MAX_PAIRS = 250_000;

/**
 * Writes the new lines the way the file has the old ones. Lines that the model left as they are stay byte for byte; changed
 * ones get the file's indentation and spelling. `undefined` when no rule says how to indent a changed line.
 */
export function fitLines(
  file: readonly string[],
  change: LineChange,
  allLines: readonly string[],
): { lines: string[]; note: string } | undefined {
  const { old, new: text } = change;
  const origins = originsOf(old, text);
  const indentFor = createIndenter(file, change, allLines, origins);
  const pairs: SpelledPair[] = old.map((line, at) => ({
    old: line.trim(),
    file: (file[at] as string).trim(),
  }));
  const dropTrailing = old.some(
    (line, at) => line !== line.trimEnd() && file[at] === (file[at] as string).trimEnd(),
  );
  const lines: string[] = [];
  for (const [at, line] of text.entries()) {
    const origin = origins[at] as LineOrigin;
    const indent = origin.same === undefined && line.trim() !== "" ? indentFor(line, at) : "";
    if (indent === undefined) return undefined;
    const words = toFileSpelling(
      line.slice(indentOf(line).length),
      origin.insteadOf === undefined ? pairs : [pairs[origin.insteadOf] as SpelledPair],
    );
    const changed = line.trim() === "" ? "" : indent + (dropTrailing ? words.trimEnd() : words);
    lines.push(origin.same === undefined ? changed : (file[origin.same] as string));
  }
  return { lines, note: describeDifference(file, old) };
}

function describeDifference(file: readonly string[], old: readonly string[]): string {
  const differs = (view: (line: string) => string) =>
    old.some((line, at) => view(line) !== view(file[at] as string));
  const found: string[] = [];
  if (differs((line) => (line.trim() === "" ? "" : indentOf(line)))) found.push(INDENTATION);
  if (differs((line) => line.slice(line.trimEnd().length))) found.push("trailing spaces");
  if (differs((line) => line.replaceAll(/[^\u2010-\u201f\u2032\u2033\u2212\u00a0]/g, "")))
    found.push("typographic characters");
  if (differs((line) => toPlain(line).trim()) || found.length === 0) found.push("spacing");
  return found.join(", ");
}

interface SpelledPair {
  old: string;
  file: string;
}

interface LineOrigin {
  /** The old line that this new line repeats. */
  same?: number;
  /** The old line that this new line stands for, in a stretch of as many new lines as old ones. */
  insteadOf?: number;
}

/** Which old line each new line comes from: the longest common sequence, and pairs between its parts. */
function originsOf(old: readonly string[], text: readonly string[]): LineOrigin[] {
  const left = old.map((line) => line.trimEnd());
  const right = text.map((line) => line.trimEnd());
  const origins: LineOrigin[] = right.map(() => ({}));
  const common = left.length * right.length <= MAX_PAIRS ? commonLines(left, right) : [];
  let fromOld = 0;
  let fromNew = 0;
  for (const [at, to] of [...common, [left.length, right.length] as const]) {
    if (at - fromOld === to - fromNew) {
      for (let offset = 0; fromNew + offset < to; offset += 1)
        origins[fromNew + offset] = { insteadOf: fromOld + offset };
    }
    if (to < right.length) origins[to] = { same: at };
    fromOld = at + 1;
    fromNew = to + 1;
  }
  return origins;
}

/** Index pairs of a longest common subsequence. */
function commonLines(left: readonly string[], right: readonly string[]): [number, number][] {
  const width = right.length + 1;
  const lengths = new Uint32Array((left.length + 1) * width);
  const at = (row: number, column: number) => lengths[row * width + column] as number;
  for (let row = left.length - 1; row >= 0; row -= 1) {
    for (let column = right.length - 1; column >= 0; column -= 1) {
      lengths[row * width + column] =
        left[row] === right[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let row = 0, column = 0; row < left.length && column < right.length;) {
    if (left[row] === right[column]) pairs.push([row++, column++]);
    else if (at(row + 1, column) >= at(row, column + 1)) row += 1;
    else column += 1;
  }
  return pairs;
}

function createIndenter(
  file: readonly string[],
  { old, new: text }: LineChange,
  allLines: readonly string[],
  origins: readonly LineOrigin[],
): (line: string, at: number) => string | undefined {
  const pairs = old.flatMap((line, at) =>
    line.trim() === "" ? [] : [{ old: indentOf(line), file: indentOf(file[at] as string) }],
  );
  const hints = {
    newIndents: text.filter((line) => line.trim() !== "").map(indentOf),
    fileUnit: indentUnit(allLines),
  };
  const rule: IndentMap | undefined = findIndentMap(pairs, hints);
  if (rule) return (line) => rule(indentOf(line));
  // `old` often starts after the indentation of its first line.
  const startsBare = pairs[0]?.old === "" && pairs.length > 1;
  const rest = startsBare ? findIndentMap(pairs.slice(1), hints) : undefined;
  return (line, at) => {
    if (rest && at === 0 && indentOf(line) === "") return pairs[0]?.file;
    if (rest) return rest(indentOf(line));
    const { insteadOf } = origins[at] as LineOrigin;
    if (insteadOf === undefined || indentOf(old[insteadOf] as string) !== indentOf(line)) return undefined;
    return indentOf(file[insteadOf] as string);
  };
}
