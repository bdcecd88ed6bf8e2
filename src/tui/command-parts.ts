/** A command line taken apart into the programs that it starts, so that nothing hides in quotes or behind an operator. */
import { parseShellLine, type ShellPart } from "../core/shell-line.ts";
import type { Style } from "./style.ts";
import { toVisibleLine } from "./terminal-text.ts";

const PLAIN_WORD = /^[\w./:=@%+,-]+$/;
const GLOB_WORD = /^[\w./:=@%+,*?[\]-]+$/;

/**
 * One line a program, its arguments told apart. No lines where that would only repeat the command; a warning where the line cannot be
 * read without running it.
 */
export function toPartLines(command: string, style: Style): string[] {
  const { parts, understood } = parseShellLine(command);
  if (!understood)
    return [style.yellow("it does more than start programs with fixed arguments: read all of it")];
  const lines = parts.map(formatPart);
  if (lines.length === 1 && lines[0] === command.trim()) return [];
  return lines.map((line, index) => `${style.dim(`${index + 1}`)} ${line}`);
}

/** In quotes where it is not one plain word; what cannot be seen is shown. */
export function quoteWord(text: string): string {
  if (PLAIN_WORD.test(text)) return text;
  return text.includes("'") ? toVisibleLine(JSON.stringify(text)) : `'${toVisibleLine(text)}'`;
}

function formatPart({ argv, assignments }: ShellPart): string {
  const words = argv.map(({ text, glob }) => (glob && GLOB_WORD.test(text) ? text : quoteWord(text)));
  return [...assignments.map(quoteWord), ...words].join(" ");
}
