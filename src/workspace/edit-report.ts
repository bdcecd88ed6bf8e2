import { lineKey } from "./lookalikes.ts";
import { pairSimilarity } from "./near-names.ts";

/** Lines shown around the nearest place. */
const MAX_SHOWN_LINES = 12;
const MAX_LINE_CHARACTERS = 160;
const MAX_COMPARED_LINES = 20_000;
/** Of `old`: the place where it starts is found by its first lines, and by the first of those that repeat. */
const MAX_WANTED_LINES = 500;
const MAX_REPEATS = 20;

/** The part of a text that looks most like `old`, with line numbers, and the first line that differs. */
export function describeNearest(content: string, old: string): string {
  const lines = content.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) return "The file is empty.";
  const wanted = withoutBlankEnds(old.split("\n"));
  const at = nearestLine(lines.slice(0, MAX_COMPARED_LINES).map(lineKey), wanted.map(lineKey));
  if (at === undefined) return `Nothing in its ${lines.length} lines looks like it; read the file.`;
  const from = Math.max(0, at - 1);
  const to = Math.min(lines.length, Math.max(at + wanted.length + 1, from + 3), from + MAX_SHOWN_LINES);
  return `Nearest lines:\n${numbered(lines.slice(from, to), from + 1)}${firstDifference(lines, wanted, at)}`;
}

function withoutBlankEnds(lines: readonly string[]): readonly string[] {
  const first = lines.findIndex((line) => line.trim() !== "");
  return first === -1 ? [""] : lines.slice(first, lines.findLastIndex((line) => line.trim() !== "") + 1);
}

function numbered(lines: readonly string[], first: number): string {
  return lines.map((line, offset) => `${first + offset}: ${shorten(line)}`).join("\n");
}

function shorten(line: string): string {
  return line.length > MAX_LINE_CHARACTERS ? `${line.slice(0, MAX_LINE_CHARACTERS)}…` : line;
}

/** Where the block would start: the place with most lines in common, else the line most like its longest one. */
function nearestLine(keys: readonly string[], wanted: readonly string[]): number | undefined {
  const votes = new Map<number, number>();
  const places = new Map<string, number[]>();
  for (const [offset, key] of wanted.slice(0, MAX_WANTED_LINES).entries()) {
    const before = places.get(key) ?? [];
    if (key !== "" && before.length < MAX_REPEATS) places.set(key, [...before, offset]);
  }
  for (const [at, key] of keys.entries()) {
    for (const offset of places.get(key) ?? [])
      votes.set(at - offset, (votes.get(at - offset) ?? 0) + key.length);
  }
  const [best] = [...votes].sort((one, other) => other[1] - one[1]);
  if (best) return Math.max(0, best[0]);
  const longest = wanted.reduce((one, other) => (other.length > one.length ? other : one), "");
  const scores = keys.map((key) => pairSimilarity(key.slice(0, 300), longest.slice(0, 300)));
  const top = scores.reduce((a, b) => Math.max(a, b), 0);
  return top < 0.4 ? undefined : Math.max(0, scores.indexOf(top) - wanted.indexOf(longest));
}

function firstDifference(lines: readonly string[], wanted: readonly string[], at: number): string {
  const offset = wanted.findIndex((line, index) => lineKey(line) !== lineKey(lines[at + index] ?? ""));
  if (offset === -1) return "";
  const has = lines[at + offset];
  const file = has === undefined ? "the file ends before it" : `the file has \`${shorten(has.trim())}\``;
  return `\nLine ${at + offset + 1} differs: old has \`${shorten((wanted[offset] as string).trim())}\`, ${file}.`;
}

/** Line numbers of offsets that rise. */
export function lineNumbersOf(content: string, offsets: readonly number[]): number[] {
  let line = 1;
  let from = 0;
  return offsets.map((offset) => {
    for (let at = content.indexOf("\n", from); at !== -1 && at < offset; at = content.indexOf("\n", at + 1)) {
      line += 1;
      from = at + 1;
    }
    return line;
  });
}
