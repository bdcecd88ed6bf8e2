import type { CallPreview } from "../core/index.ts";
import { toDiffLines } from "./diff-lines.ts";
import type { Style } from "./style.ts";
import { toTerminalText } from "./terminal-text.ts";

/** More than anybody reads; beyond it the question says what is not shown. */
const PREVIEW_LINES = 400;

/** What a call is about to do: the coloured diff, the command line, or prose. */
export function toPreviewLines(preview: CallPreview, style: Style): string[] {
  const lines = toAllLines(preview, style);
  if (lines.length <= PREVIEW_LINES) return lines;
  const hidden = lines.length - PREVIEW_LINES;
  return [...lines.slice(0, PREVIEW_LINES), style.yellow(`… ${hidden} more lines are not shown`)];
}

function toAllLines({ kind, text }: CallPreview, style: Style): string[] {
  if (kind === "diff") return toDiffLines(text, style);
  const lines = toTerminalText(text).trimEnd().split("\n");
  if (kind === "text") return lines;
  return lines.map((line, index) => `${style.dim(index === 0 ? "$" : "·")} ${line}`);
}
