/** Lines that fit into `maxBytes`, and how many do not; `more` names what they are. */
export function cutLines(
  lines: readonly string[],
  { maxBytes, more }: { maxBytes: number; more: string },
): string {
  const room = maxBytes - 40;
  let bytes = 0;
  const kept: string[] = [];
  for (const line of lines) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > (kept.length === lines.length - 1 ? maxBytes : room)) break;
    kept.push(line);
  }
  const left = lines.length - kept.length;
  return left === 0 ? kept.join("\n") : [...kept, `[${left} more ${more}]`].join("\n");
}
