/** Line breaks where the terminal would make them: text that the terminal wraps by itself begins at the edge, where only we write. */

/** Escapes of our own styles, or one character. */
// oxlint-disable-next-line no-control-regex -- our own escape sequences
const PIECE = /\u001b\[\d+m|[^]/gu;
/** From here on some characters are two columns wide; all are counted so. */
const MAYBE_WIDE = 0x1100;
const TAB = "    ";

/** Every character of a safe line, painted or not, on lines of at most `width` columns. */
export function wrapExactly(line: string, width: number): string[] {
  const lines: string[] = [];
  let current = "";
  let columns = 0;
  for (const [piece] of line.replaceAll("\t", TAB).matchAll(PIECE)) {
    const size = piece.length > 2 ? 0 : (piece.codePointAt(0) ?? 0) < MAYBE_WIDE ? 1 : 2;
    if (columns + size > width && columns > 0) {
      lines.push(current);
      current = "";
      columns = 0;
    }
    current += piece;
    columns += size;
  }
  return [...lines, current];
}

/** The same, each line set in by `indent`, so that nothing in it can pass for something of ours. */
export function setIn(
  lines: readonly string[],
  { columns, indent = "  " }: { columns: number; indent?: string },
): string[] {
  return lines.flatMap((line) => wrapExactly(line, columns - indent.length)).map((line) => indent + line);
}
