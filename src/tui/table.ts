import { toTerminalLine } from "./terminal-text.ts";

export interface Column {
  title: string;
  /** Numbers are easier to compare at the right. */
  right?: boolean;
}

/** Rows under their titles, two spaces apart; every cell on one line, whatever it holds. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) => row.map(toTerminalLine));
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells.map((row) =>
    columns
      .map(({ right }, at) => {
        const cell = row[at] ?? "";
        return right === true ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0);
      })
      .join("  ")
      .trimEnd(),
  );
}
