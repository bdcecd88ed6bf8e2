import { wrapTextWithAnsi } from "@mariozechner/pi-tui";
import { formatDuration } from "../format.ts";
import type { Paint, Style } from "../style.ts";
import { toTerminalText } from "../terminal-text.ts";
import { createBlock, type Block } from "./block.ts";
import type { TextBlock } from "./markdown.ts";

const INDENT = "  ";
const TAB = "    ";
const THINKING_LINES = 3;
const REQUEST_LINES = 20;
const MOST_REQUEST_LINES = 400;

/** Safe text on lines that fit, styled and indented. */
export function wrapText(
  text: string,
  { width, paint, indent = INDENT }: { width: number; paint: Paint; indent?: string },
): string[] {
  const clean = toTerminalText(text).replaceAll("\t", TAB).trimEnd();
  const room = Math.max(1, width - indent.length);
  return clean
    .split("\n")
    .flatMap((line) => wrapTextWithAnsi(line, room).map((part) => indent + paint(part)));
}

/** What the user said; of a long paste its beginning. */
export function createRequestBlock(text: string, { style }: { style: Style }): Block {
  return createBlock("request", (width, { expanded }) => {
    const most = expanded ? MOST_REQUEST_LINES : REQUEST_LINES;
    const all = wrapText(text.slice(0, most * width), { width, paint: style.bold });
    const lines = all.slice(0, most);
    const isCut = lines.length < all.length || text.length > most * width;
    const first = `${style.cyan(style.bold("›"))} ${(lines[0] ?? "").slice(INDENT.length)}`;
    return [first, ...lines.slice(1), ...(isCut ? [style.dim(`${INDENT}…`)] : [])];
  });
}

/** A line or more from the program itself: a warning, an end, the result of a command. */
export function createNoteBlock(text: string, { paint, mark = " " }: { paint: Paint; mark?: string }): Block {
  return createBlock("note", (width) => {
    const lines = wrapText(text, { width, paint });
    return lines.map((line, index) => (index === 0 ? `${paint(mark)} ${line.slice(INDENT.length)}` : line));
  });
}

/** A line that is shown with the details only. */
export function createDetailBlock(text: string, { style }: { style: Style }): Block {
  return createBlock("note", (width, { expanded }) =>
    expanded ? wrapText(text, { width, paint: style.dim }) : [],
  );
}

export interface ThinkingBlock extends TextBlock {
  finish(): void;
}

/** The last lines while the model thinks, one line afterwards, all of it with details. */
export function createThinkingBlock({ style, now }: { style: Style; now: () => number }): ThinkingBlock {
  const startedAt = now();
  let text = "";
  let durationMs: number | undefined;
  const paint: Paint = (line) => style.dim(style.italic(line));
  const block = createBlock("thinking", (width, { expanded }) => {
    if (text.trim() === "") return [];
    const title = durationMs === undefined ? "thinking" : `thought for ${formatDuration(durationMs)}`;
    const header = `${style.dim("∴")} ${paint(title)}`;
    if (!expanded && durationMs !== undefined) return [header];
    const shown = expanded ? text : text.slice(-width * THINKING_LINES * 2);
    const lines = wrapText(shown.trim(), { width, paint });
    return [header, ...(expanded ? lines : lines.slice(-THINKING_LINES))];
  });
  return {
    block,
    get text() {
      return text;
    },
    append(piece) {
      text += piece;
      block.changed();
    },
    finish() {
      durationMs ??= now() - startedAt;
      block.changed();
    },
  };
}
