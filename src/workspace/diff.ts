/** Texts that differ in more places than this are shown as replaced whole. */
const MAX_EDITS = 4_000;

/** A unified diff of two texts without file headers; empty when they are the same. */
export async function unifiedDiff(
  before: string,
  after: string,
  { context }: { context: number },
): Promise<string> {
  const { structuredPatch } = await import("diff");
  const patch = structuredPatch("", "", before, after, undefined, undefined, {
    context,
    maxEditLength: MAX_EDITS,
  });
  if (!patch)
    return `@@ the whole text @@\n-${before.split("\n").length} lines\n+${after.split("\n").length} lines\n`;
  return patch.hunks
    .map(
      ({ oldStart, oldLines, newStart, newLines, lines }) =>
        `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@\n${lines.join("\n")}\n`,
    )
    .join("");
}

export async function fileDiff(path: string, before: string | undefined, after: string): Promise<string> {
  const from = before === undefined ? "/dev/null" : `a/${path}`;
  return `--- ${from}\n+++ b/${path}\n${await unifiedDiff(before ?? "", after, { context: 3 })}`;
}
