import { binaryKind, decodeText } from "../text.ts";
import { unifiedDiff } from "../diff.ts";
import type { Archive } from "./archive.ts";
import { isRecorded, type PathState } from "./file-state.ts";
import { lookAt } from "./look.ts";
import type { NetChange } from "./net.ts";

/** Larger files are told by name only. */
const MAX_BYTES = 1024 * 1024;

/** How a path has changed, as unified diff; `undefined` where no text tells it. */
export async function diffOf(
  archive: Archive,
  { path, before, after }: Pick<NetChange, "path" | "before" | "after">,
): Promise<string | undefined> {
  const from = await textOf(archive, path, before);
  const to = await textOf(archive, path, after);
  if (from === undefined || to === undefined) return undefined;
  const modes = modesOf(before, after);
  return from === to ? modes || undefined : modes + (await unifiedDiff(from, to, { context: 3 }));
}

/** As git says it. */
function modesOf(before: PathState, after: PathState): string {
  if (before?.kind !== "file" || after?.kind !== "file" || before.mode === after.mode) return "";
  return `old mode ${before.mode.toString(8)}\nnew mode ${after.mode.toString(8)}\n`;
}

async function textOf(archive: Archive, path: string, state: PathState): Promise<string | undefined> {
  if (state === null) return "";
  if (state.kind === "link") return state.target;
  if (!isRecorded(state) || state.size > MAX_BYTES) return undefined;
  const bytes = await bytesOf(archive, path, state.hash);
  if (bytes === undefined || binaryKind(bytes, bytes.length) !== undefined) return undefined;
  return decodeText(bytes).text;
}

/** What a call that was cut off has left is not kept, but may still be there. */
async function bytesOf(archive: Archive, path: string, hash: string): Promise<Buffer | undefined> {
  if (archive.packs.has(hash)) return archive.packs.read(hash);
  let found: Buffer | undefined;
  const put = async (seen: string, bytes: Buffer): Promise<void> => {
    if (seen === hash) found = bytes;
  };
  const keep = { has: () => false, put };
  await lookAt(archive.root.folder, { path, known: new Map(), maxBytes: MAX_BYTES, keep });
  return found;
}
