import type { ApprovalRequest, CallPreview } from "../core/index.ts";
import { toDiffLines } from "./diff-lines.ts";
import { formatCount } from "./format.ts";
import type { Style } from "./style.ts";
import { toTerminalLine, toTerminalText } from "./terminal-text.ts";

/** More than anybody reads; beyond it the question says what is not shown. */
const PREVIEW_LINES = 400;
const PREVIEW_CHARACTERS = 60_000;

/** What a call is about to do: the coloured diff, the command line, or prose. */
export function toPreviewLines({ kind, text }: CallPreview, style: Style): string[] {
  const lines = toAllLines({ kind, text: text.slice(0, PREVIEW_CHARACTERS) }, style);
  const shown = lines.slice(0, PREVIEW_LINES);
  const hidden = countHidden({ text, lines: lines.length });
  return hidden === "" ? shown : [...shown, style.yellow(`… ${hidden} are not shown`)];
}

/** Why a person is asked, each reason once: `why` often names the concerns already. */
export function toReasons({ why, preview }: Pick<ApprovalRequest, "why" | "preview">): string[] {
  const others = preview.concerns.filter((concern) => !why.includes(concern));
  return [why, ...others].map(toTerminalLine).filter((text) => text !== "");
}

function countHidden({ text, lines }: { text: string; lines: number }): string {
  const parts: string[] = [];
  if (lines > PREVIEW_LINES) parts.push(`${formatCount(lines - PREVIEW_LINES)} more lines`);
  if (text.length > PREVIEW_CHARACTERS) {
    parts.push(`${formatCount(text.length - PREVIEW_CHARACTERS)} more characters`);
  }
  return parts.join(" and ");
}

function toAllLines({ kind, text }: Pick<CallPreview, "kind" | "text">, style: Style): string[] {
  if (kind === "diff") return toDiffLines(text, style);
  const lines = toTerminalText(text).trimEnd().split("\n");
  if (kind === "text") return lines;
  return lines.map((line, index) => `${style.dim(index === 0 ? "$" : "·")} ${line}`);
}
