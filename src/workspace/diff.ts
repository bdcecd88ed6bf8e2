/** Texts so different that comparing them takes longer are shown as replaced whole. */
const MAX_COMPARE_MS = 500;

/** A unified diff of two texts without file headers; empty when they are the same. */
export async function unifiedDiff(
  before: string,
  after: string,
  { context }: { context: number },
): Promise<string> {
  const { structuredPatch } = await import("diff");
  const patch = structuredPatch("", "", before, after, undefined, undefined, {
    context,
    timeout: MAX_COMPARE_MS,
  });
  if (!patch) return replacedWhole(before.split("\n"), after.split("\n"));
  return patch.hunks
    .map(
      ({ oldStart, oldLines, newStart, newLines, lines }) =>
        `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@\n${lines.join("\n")}\n`,
    )
    .join("");
}

function replacedWhole(before: readonly string[], after: readonly string[]): string {
  const lines = [...before.map((line) => `-${line}`), ...after.map((line) => `+${line}`)];
  return `@@ -1,${before.length} +1,${after.length} @@\n${lines.join("\n")}\n`;
}

export async function fileDiff(path: string, before: string | undefined, after: string): Promise<string> {
  const from = before === undefined ? "/dev/null" : `a/${path}`;
  return `--- ${from}\n+++ b/${path}\n${await unifiedDiff(before ?? "", after, { context: 3 })}`;
}
