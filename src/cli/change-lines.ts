import type { FileChange } from "../core/checkpoint.ts";
import { toDiffLines } from "../tui/diff-lines.ts";
import type { Style } from "../tui/style.ts";
import { toTerminalLine } from "../tui/terminal-text.ts";

/** File after file: what happened to it, and its diff. */
export function toChangeLines(changes: readonly FileChange[], style: Style): string[] {
  if (changes.length === 0) return ["No file was changed."];
  return changes.flatMap(({ path, kind, diff, changedSince }) => {
    const since = changedSince ? "; changed by somebody else since" : "";
    const head = style.bold(`${toTerminalLine(path)} (${kind}${since})`);
    return diff === undefined ? [head] : [head, ...toDiffLines(diff, style)];
  });
}
