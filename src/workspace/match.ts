/**
 * Finds the one place that an edit means. First exactly; then with line numbers, typographic look-alikes, trailing spaces
 * and a uniform difference in indentation overlooked. Every line of `old` must be there in order, and the place must be the
 * only one: a block that is merely similar is never taken. Texts have `\n` line ends here.
 */
import type { TextChange } from "../core/workspace.ts";
import { withoutLineNumbers } from "./line-numbers.ts";
import { lineKey, toFileSpelling, toPlain } from "./lookalikes.ts";
import { fitLines, INDENTATION, type LineChange } from "./fit-lines.ts";

/** Larger texts are only matched exactly. */
const MAX_LOOSE_CHARACTERS = 8_000_000;
/** Overlapping places are not counted further than this. */
export const MAX_OFFSETS = 1_000;
const MAX_COMPARISONS = 10_000_000_000;

export interface Replacement {
  start: number;
  end: number;
  text: string;
}

export type Match =
  | { found: "once" | "all"; replacements: Replacement[]; note?: string }
  /** Several places: where each starts. */
  | { found: "many"; offsets: number[] }
  | { found: "none"; why?: string };

export function findMatch(content: string, change: TextChange): Match {
  const bare = withoutLineNumbers(change);
  const exact = matchExact(content, change);
  if (exact.found !== "none") return exact;
  for (const each of bare) {
    const numbered = matchExact(content, each);
    if (numbered.found !== "none") return withNote(numbered, "line numbers");
  }
  if (content.length > MAX_LOOSE_CHARACTERS) return exact;
  if (bare.length === 0) return matchLoosely(content, change);
  const loose = bare.map((each) => withNote(matchLoosely(content, each), "line numbers"));
  return loose.find((match) => "note" in match && !match.note?.includes(INDENTATION)) ?? (loose[0] as Match);
}

function matchLoosely(content: string, change: TextChange): Match {
  const lookalikes = matchLookalikes(content, change);
  return lookalikes.found === "none" ? matchLines(content, change) : lookalikes;
}

function withNote(match: Match, ignored: string): Match {
  if (match.found !== "once" && match.found !== "all") return match;
  return { ...match, note: match.note ? `${ignored}, ${match.note}` : ignored };
}

function matchExact(content: string, { old, new: text, all }: TextChange): Match {
  if (old === "") return { found: "none" };
  const offsets = all ? separateOffsetsOf(content, old) : offsetsOf(content, old);
  if (offsets.length === 0) return { found: "none" };
  if (offsets.length > 1 && !all) return { found: "many", offsets };
  return {
    found: all ? "all" : "once",
    replacements: offsets.map((start) => ({
      start,
      end: start + old.length,
      text,
    })),
  };
}

/** Places where a text stands, overlapping ones too, up to a number that nobody would look through. */
export function offsetsOf(content: string, text: string): number[] {
  return findAll(content, text, { overlapping: true });
}

/** Every place where a text stands that starts after the one before has ended. */
function separateOffsetsOf(content: string, text: string): number[] {
  return findAll(content, text, { overlapping: false });
}

function findAll(content: string, text: string, { overlapping }: { overlapping: boolean }): number[] {
  // The quick search compares every letter with every letter at worst, which for long texts is for ever.
  if (content.length * text.length > MAX_COMPARISONS) {
    const runs = runsOf(content, text);
    return overlapping ? runs.slice(0, MAX_OFFSETS) : withoutOverlap(runs, text.length);
  }
  const step = overlapping ? 1 : text.length;
  const offsets: number[] = [];
  for (let at = content.indexOf(text); at !== -1 && text !== ""; at = content.indexOf(text, at + step)) {
    offsets.push(at);
    if (overlapping && offsets.length === MAX_OFFSETS) break;
  }
  return offsets;
}

function withoutOverlap(offsets: readonly number[], length: number): number[] {
  const kept: number[] = [];
  for (const offset of offsets) {
    if (offset >= (kept.at(-1) ?? -Infinity) + length) kept.push(offset);
  }
  return kept;
}

/** What the model did not change stays as the file spells it. */
function matchLookalikes(content: string, { old, new: text, all }: TextChange): Match {
  if (old === "") return { found: "none" };
  const find = all ? separateOffsetsOf : offsetsOf;
  const offsets = find(toPlain(content), toPlain(old));
  if (offsets.length === 0) return { found: "none" };
  if (offsets.length > 1 && !all) return { found: "many", offsets };
  const replacements = offsets.map((start) => {
    const file = content.slice(start, start + old.length);
    return { start, end: start + old.length, text: spellLikeFile(old, file, text) };
  });
  return { found: all ? "all" : "once", replacements, note: "typographic characters" };
}

function spellLikeFile(old: string, file: string, text: string): string {
  const most = Math.min(old.length, text.length);
  let before = 0;
  while (before < most && old[before] === text[before]) before += 1;
  let after = 0;
  while (after < most - before && old.at(-1 - after) === text.at(-1 - after)) after += 1;
  const spelled = toFileSpelling(text, [{ old, file }]);
  return file.slice(0, before) + spelled.slice(before, text.length - after) + file.slice(file.length - after);
}

function matchLines(content: string, change: TextChange): Match {
  const lines = content.split("\n");
  const keys = lines.map(lineKey);
  const wanted = toLines(change);
  let windows = windowsOf(keys, wanted.old.map(lineKey));
  let used = wanted;
  if (windows.length === 0) {
    used = withoutBlankEnds(wanted);
    windows = used.old.length < wanted.old.length ? windowsOf(keys, used.old.map(lineKey)) : [];
  }
  if (windows.length === 0) return { found: "none" };
  const starts = lineStarts(lines);
  if (windows.length > 1 && !change.all)
    return { found: "many", offsets: windows.map((line) => starts[line] as number) };
  return fitWindows(
    { content, lines, starts },
    withoutOverlap(windows, used.old.length),
    used,
    change.all === true,
  );
}

interface LinedText {
  content: string;
  lines: readonly string[];
  starts: readonly number[];
}

function fitWindows(
  { content, lines, starts }: LinedText,
  windows: readonly number[],
  change: LineChange,
  all: boolean,
): Match {
  const replacements: Replacement[] = [];
  let note = "";
  for (const at of windows) {
    const end = at + change.old.length;
    const fitted = fitLines(lines.slice(at, end), change, lines);
    if (fitted === undefined)
      return {
        found: "none",
        why: "the words are there, but the indentation of old does not correspond to the file",
      };
    note = fitted.note;
    replacements.push(
      toReplacement(
        content,
        { start: starts[at] as number, end: (starts[end - 1] as number) + (lines[end - 1] as string).length },
        fitted.lines,
      ),
    );
  }
  return { found: all ? "all" : "once", replacements, note };
}

/** Whole lines; with no new line at all, their line end goes too. */
function toReplacement(
  content: string,
  { start, end }: { start: number; end: number },
  lines: readonly string[],
): Replacement {
  if (lines.length > 0) return { start, end, text: lines.join("\n") };
  if (end < content.length) return { start, end: end + 1, text: "" };
  return { start: Math.max(0, start - 1), end, text: "" };
}

/** A line end at the end of both is no line of its own, so nothing after the block is touched. */
function toLines(change: TextChange): LineChange {
  const old = change.old.split("\n");
  const text = change.new.split("\n");
  if (old.length > 1 && old.at(-1) === "") {
    old.pop();
    if (text.at(-1) === "") text.pop();
  }
  return { old, new: text };
}

/** Drops blank lines at both ends of `old`, and as many at most from `new`. */
function withoutBlankEnds({ old, new: text }: LineChange): LineChange {
  const isBlank = (line: string) => line.trim() === "";
  const leading = (lines: readonly string[]) => lines.findIndex((line) => !isBlank(line));
  const trailing = (lines: readonly string[]) =>
    lines.length - 1 - lines.findLastIndex((line) => !isBlank(line));
  const [before, after] = [leading(old), trailing(old)];
  if (before === -1) return { old: [], new: text };
  const isAllBlank = leading(text) === -1;
  const skipped = isAllBlank ? text.length : Math.min(before, leading(text));
  const dropped = isAllBlank ? 0 : Math.min(after, trailing(text));
  return { old: old.slice(before, old.length - after), new: text.slice(skipped, text.length - dropped) };
}

/** Line indexes where all keys stand in a row. Blank lines alone match nothing. */
export function windowsOf(keys: readonly string[], wanted: readonly string[]): number[] {
  if (wanted.every((key) => key === "")) return [];
  return runsOf(keys, wanted);
}

/** Indexes where all wanted items stand in a row, overlapping ones too. Looks at each item a few times at most. */
function runsOf(items: ArrayLike<string>, wanted: ArrayLike<string>): number[] {
  const found: number[] = [];
  const shorter = repeatsOf(wanted);
  let same = 0;
  for (let at = 0; at < items.length; at += 1) {
    while (same > 0 && items[at] !== wanted[same]) same = shorter[same - 1] as number;
    if (items[at] === wanted[same]) same += 1;
    if (same < wanted.length) continue;
    found.push(at + 1 - same);
    same = shorter[same - 1] as number;
  }
  return found;
}

/** For each start of a list, how much of it is also its end: what is left of a match when the next item differs (Knuth, Morris, Pratt). */
function repeatsOf(wanted: ArrayLike<string>): number[] {
  const shorter = [0];
  let same = 0;
  for (let at = 1; at < wanted.length; at += 1) {
    while (same > 0 && wanted[at] !== wanted[same]) same = shorter[same - 1] as number;
    if (wanted[at] === wanted[same]) same += 1;
    shorter.push(same);
  }
  return shorter;
}

function lineStarts(lines: readonly string[]): number[] {
  let at = 0;
  return lines.map((line) => {
    const start = at;
    at += line.length + 1;
    return start;
  });
}
