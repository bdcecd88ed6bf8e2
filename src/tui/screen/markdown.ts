import { Markdown } from "@mariozechner/pi-tui";
import { toTerminalText } from "../terminal-text.ts";
import { createBlock, type Block } from "./block.ts";
import type { Theme } from "./theme.ts";

export interface TextBlock {
  block: Block;
  append(text: string): void;
  readonly text: string;
}

const INDENT = 2;

/**
 * Markdown that grows. Paragraphs that can no longer change are set once; only the last one is set again when text
 * comes, so that a long answer costs as little per token as a short one.
 */
export function createMarkdownBlock(theme: Theme): TextBlock {
  const settled: Markdown[] = [];
  const last = new Markdown("", INDENT, 0, theme.markdown);
  let text = "";
  let open = "";
  const block = createBlock("answer", (width) =>
    joinParts([...settled, last].map((part) => part.render(width))),
  );
  return {
    block,
    get text() {
      return text;
    },
    append(piece) {
      text += piece;
      open += piece;
      const end = findSettledEnd(open);
      if (end > 0) {
        settled.push(new Markdown(toTerminalText(open.slice(0, end)).trim(), INDENT, 0, theme.markdown));
        open = open.slice(end);
      }
      last.setText(toTerminalText(open).trim());
      block.changed();
    },
  };
}

function joinParts(parts: readonly string[][]): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const own = trimEmpty(part);
    if (own.length > 0 && lines.length > 0) lines.push("");
    lines.push(...own);
  }
  return lines;
}

function trimEmpty(lines: readonly string[]): readonly string[] {
  const start = lines.findIndex((line) => line.trim() !== "");
  return start === -1 ? [] : lines.slice(start, lines.findLastIndex((line) => line.trim() !== "") + 1);
}

/**
 * How much of `text` no later text can change: up to the last line that follows an empty one, outside a code fence, and
 * neither is indented nor continues a list.
 */
export function findSettledEnd(text: string): number {
  let end = 0;
  let at = 0;
  let fence: string | undefined;
  let afterEmpty = false;
  for (const line of text.split("\n")) {
    const isOpenBlock = fence !== undefined;
    fence = nextFence(fence, line);
    if (afterEmpty && !isOpenBlock && /^[^\s\-*+\d>]/.test(line)) end = at;
    afterEmpty = line.trim() === "";
    at += line.length + 1;
  }
  return end;
}

/** The fence that is open after `line` (https://spec.commonmark.org/0.31.2/#fenced-code-blocks). */
function nextFence(open: string | undefined, line: string): string | undefined {
  const mark = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line);
  const ticks = mark?.[1];
  if (ticks === undefined) return open;
  if (open === undefined) return ticks.startsWith("`") && mark?.[2]?.includes("`") ? undefined : ticks;
  const closes = ticks[0] === open[0] && ticks.length >= open.length && mark?.[2]?.trim() === "";
  return closes ? undefined : open;
}
