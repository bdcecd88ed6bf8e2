import type { Paint, Style } from "./style.ts";
import { toTerminalText } from "./terminal-text.ts";

type DiffLineKind = "file" | "hunk" | "added" | "removed" | "context" | "note";

interface DiffLine {
  kind: DiffLineKind;
  text: string;
}

/** The lines of a unified diff, made safe and coloured. */
export function toDiffLines(diff: string, style: Style): string[] {
  return parseDiff(toTerminalText(diff)).map(({ kind, text }) => toDiffPaint(kind, style)(text));
}

/** Added and removed lines: `+3 −1`. */
export function formatDiffSize(diff: string): string {
  const lines = parseDiff(diff);
  const count = (kind: DiffLineKind) => lines.filter((line) => line.kind === kind).length;
  return `+${count("added")} −${count("removed")}`;
}

export function toDiffPaint(kind: DiffLineKind, style: Style): Paint {
  if (kind === "added") return style.green;
  if (kind === "removed") return style.red;
  if (kind === "hunk") return style.cyan;
  return kind === "file" ? style.bold : style.dim;
}

/**
 * Tells file names from changed lines by the counts in the hunk headers, so that a removed line that itself begins
 * with `--` is no file name. What fits no hunk is shown as a file line: nothing is dropped.
 */
export function parseDiff(diff: string): DiffLine[] {
  let oldLeft = 0;
  let newLeft = 0;
  const lines = diff.replace(/\n$/, "").split("\n");
  return lines.map((text) => {
    const header = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(text);
    if (header !== null) {
      oldLeft = Number(header[1] ?? 1);
      newLeft = Number(header[2] ?? 1);
      return { kind: "hunk", text };
    }
    if (text.startsWith("\\")) return { kind: "note", text };
    if (oldLeft <= 0 && newLeft <= 0) return { kind: "file", text };
    if (!text.startsWith("+")) oldLeft -= 1;
    if (!text.startsWith("-")) newLeft -= 1;
    return { kind: text.startsWith("+") ? "added" : text.startsWith("-") ? "removed" : "context", text };
  });
}
