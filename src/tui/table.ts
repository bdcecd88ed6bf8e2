import { toTerminalLine } from "./terminal-text.ts";

export interface Column {
  title: string;
  /** Numbers are easier to compare at the right. */
  right?: boolean;
}

/** A longer cell moves the rest of its own row, and no other. */
const WIDEST = 60;

/** Letters that take two cells on a terminal: the main blocks of Unicode's East Asian Width, and emoji. */
const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}|[\u{20000}-\u{3FFFD}]/u;

function displayWidth(text: string): number {
  let width = 0;
  for (const letter of text.replaceAll(/\p{M}/gu, "")) width += WIDE.test(letter) ? 2 : 1;
  return width;
}

/** Rows under their titles, two spaces apart; every cell on one line, whatever it holds. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) => row.map(toTerminalLine));
  const widths = columns.map((_, at) =>
    cells.reduce((most, row) => Math.max(most, Math.min(WIDEST, displayWidth(row[at] ?? ""))), 0),
  );
  return cells.map((row) =>
    columns
      .map(({ right }, at) => {
        const cell = row[at] ?? "";
        const gap = " ".repeat(Math.max(0, (widths[at] ?? 0) - displayWidth(cell)));
        return right === true ? gap + cell : cell + gap;
      })
      .join("  ")
      .trimEnd(),
  );
}
