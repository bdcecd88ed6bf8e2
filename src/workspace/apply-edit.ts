import type { EditOutcome, TextChange } from "../core/workspace.ts";
import { describeNearest, lineNumbersOf } from "./edit-report.ts";
import { lineKey } from "./lookalikes.ts";
import { findMatch, MAX_OFFSETS, offsetsOf, type Match, type Replacement, windowsOf } from "./match.ts";
import { findOmission } from "./placeholders.ts";

export type AppliedEdit =
  | { ok: true; text: string; replacements: number; note?: string }
  | { ok: false; reason: Extract<EditOutcome, { ok: false }>["reason"]; error: string };

/** Applies an edit to the text of a file, whose line ends stay what they are. `path` is for messages. */
export function applyEdit(content: string, change: TextChange, path: string): AppliedEdit {
  const unix = content.replaceAll("\r\n", "\n");
  const wanted = {
    ...change,
    old: change.old.replaceAll("\r\n", "\n"),
    new: change.new.replaceAll("\r\n", "\n"),
  };
  const invalid = findFault(wanted);
  if (invalid) return { ok: false, reason: "invalid", error: invalid };
  const match = findMatch(unix, wanted);
  if (match.found === "many") return ambiguous(unix, match.offsets, path);
  if (match.found === "none") return missing(unix, wanted, { path, match });
  const repeated = repeatedInsertion(unix, wanted, match.replacements);
  if (repeated !== undefined)
    return alreadyApplied(
      repeated,
      path,
      "; if you want it twice, put more of the surrounding text into old and new",
    );
  const text = replaceIn(content, unix, match.replacements);
  if (text === content)
    return alreadyApplied(lineNumbersOf(unix, [match.replacements[0]?.start ?? 0])[0] as number, path);
  return {
    ok: true,
    text,
    replacements: match.replacements.length,
    ...(match.note ? { note: `matched ignoring ${match.note}` } : {}),
  };
}

function findFault({ old, new: text }: TextChange): string | undefined {
  if (old === "") return "`old` is empty: give the text to replace, or use write for a whole file";
  if (old === text) return "`old` and `new` are the same: nothing to change";
  const omission = findOmission(text, old);
  return (
    omission &&
    `\`new\` contains \`${omission}\` in place of text: edit replaces old by new word for word, so write out every line or choose a shorter old`
  );
}

function ambiguous(content: string, offsets: readonly number[], path: string): AppliedEdit {
  const lines = lineNumbersOf(content, offsets.slice(0, 20));
  const more = offsets.length > lines.length ? ", …" : "";
  const count = offsets.length === MAX_OFFSETS ? `at least ${MAX_OFFSETS}` : offsets.length;
  const error = `old text found ${count} times in ${path}, at lines ${lines.join(", ")}${more}; add lines around it to old so that it is found once, or set all to true`;
  return { ok: false, reason: "ambiguous", error };
}

function missing(
  content: string,
  change: TextChange,
  { path, match }: { path: string; match: Extract<Match, { found: "none" }> },
): AppliedEdit {
  const line = lineOfNew(content, change.new);
  if (line !== undefined && match.why === undefined) return alreadyApplied(line, path);
  const why = match.why ? `: ${match.why}` : "";
  return {
    ok: false,
    reason: "not_found",
    error: `old text not found in ${path}${why}. ${describeNearest(content, change.old)}`,
  };
}

function alreadyApplied(line: number, path: string, hint = ""): AppliedEdit {
  return {
    ok: false,
    reason: "already_applied",
    error: `already applied: the new text is in ${path} at line ${line}${hint}`,
  };
}

/** The line where the new text already stands as whole lines, if there is one such place. */
function lineOfNew(content: string, text: string): number | undefined {
  if (text.trim().length < 3) return undefined;
  const keys = content.split("\n").map(lineKey);
  const found = windowsOf(keys, text.trim().split("\n").map(lineKey));
  return found.length === 1 ? (found[0] as number) + 1 : undefined;
}

/** An edit that adds lines around `old`, sent again: `new` already surrounds the place. */
function repeatedInsertion(
  content: string,
  { old, new: text, all }: TextChange,
  replacements: readonly Replacement[],
): number | undefined {
  const [only] = replacements;
  if (all || !only || !text.includes("\n") || !text.includes(old)) return undefined;
  const start = offsetsOf(content, text).find(
    (offset) => offset <= only.start && offset + text.length >= only.end,
  );
  return start === undefined ? undefined : lineNumbersOf(content, [start])[0];
}

/** Puts replacements found in the `\n` form of a text into the text itself. */
function replaceIn(content: string, unix: string, replacements: readonly Replacement[]): string {
  if (content === unix) return splice(content, replacements);
  const offsets = originalOffsets(
    content,
    replacements.flatMap(({ start, end }) => [start, end]),
  );
  const fileEnd =
    content.includes("\r\n") && content.indexOf("\r\n") === content.indexOf("\n") - 1 ? "\r\n" : "\n";
  const original = replacements.map(({ text }, index) => {
    const start = offsets[index * 2] as number;
    const end = offsets[index * 2 + 1] as number;
    const region = content.slice(start, end);
    const lineEnd = region.includes("\r\n") ? "\r\n" : region.includes("\n") ? "\n" : fileEnd;
    return { start, end, text: text.replaceAll("\n", lineEnd) };
  });
  return splice(content, original);
}

function splice(content: string, replacements: readonly Replacement[]): string {
  const parts: string[] = [];
  let from = 0;
  for (const { start, end, text } of replacements) {
    parts.push(content.slice(from, start), text);
    from = end;
  }
  return parts.join("") + content.slice(from);
}

/** Where rising offsets in the `\n` form lie in the original. */
function originalOffsets(content: string, offsets: readonly number[]): number[] {
  let returns = 0;
  let next = content.indexOf("\r\n");
  return offsets.map((offset) => {
    while (next !== -1 && next - returns < offset) {
      returns += 1;
      next = content.indexOf("\r\n", next + 2);
    }
    return offset + returns;
  });
}
