import { AgentError } from "../core/errors.ts";
import type { TextChange } from "../core/workspace.ts";
import type { AppliedEdit } from "./apply-edit.ts";
import { fileFailed } from "./failures.ts";
import { findOmission } from "./placeholders.ts";
import { readStart, refuseBinary, withOpenFile } from "./read-file.ts";
import { refuseTarget } from "./replace-file.ts";
import { type DecodedText, decodeText, encodeText } from "./text.ts";
import type { Place } from "./walk.ts";

/** Larger files are not edited. */
const MAX_EDIT_BYTES = 32 * 1024 * 1024;

/** What a change would put into a file. `before` is absent for a new or binary one. */
export interface PlannedChange {
  before?: string;
  after: string;
  bytes: Buffer;
}

/** Plans to replace a whole file; an existing text keeps its encoding and line ends. */
export async function planWrite(place: Place, text: string, shown: string): Promise<PlannedChange> {
  refuseTarget(place, shown);
  const before = place.stats ? await loadTextOrNothing(place, shown) : undefined;
  if (!before) return { after: text, bytes: Buffer.from(text, "utf8") };
  const omission = before.text.trim() === "" ? undefined : findOmission(text, before.text);
  if (omission) {
    throw fileFailed(
      shown,
      `cannot write ${shown}: \`content\` contains \`${omission}\` in place of text, and the file would lose it; write the whole file, or use edit for a part`,
    );
  }
  const after = isAllCrlf(before.text) && !text.includes("\r") ? text.replaceAll("\n", "\r\n") : text;
  const bytes = encodeText({ ...before, text: after }) ?? Buffer.from(after, "utf8");
  return { before: before.text, after, bytes };
}

export async function planEdit(
  place: Place,
  change: TextChange,
  shown: string,
): Promise<{ edit: AppliedEdit; planned?: PlannedChange }> {
  refuseTarget(place, shown);
  // Finding what was meant takes much code, and many runs edit nothing.
  const [before, { applyEdit }] = await Promise.all([loadText(place, shown), import("./apply-edit.ts")]);
  const edit = applyEdit(before.text, change, shown);
  if (!edit.ok) return { edit };
  const bytes = encodeText({ ...before, text: edit.text });
  if (bytes) return { edit, planned: { before: before.text, after: edit.text, bytes } };
  const error = `${shown} is Latin-1 text and cannot hold some characters of \`new\`; use plain ASCII, or write the whole file anew`;
  return { edit: { ok: false, reason: "invalid", error } };
}

async function loadText(place: Place, shown: string): Promise<DecodedText> {
  return withOpenFile(place, shown, async (fd, sizeBytes) => {
    if (sizeBytes > MAX_EDIT_BYTES)
      throw fileFailed(shown, `cannot edit ${shown}: ${sizeBytes} bytes, more than ${MAX_EDIT_BYTES}`);
    const bytes = await readStart(fd, sizeBytes, sizeBytes);
    refuseBinary(bytes, sizeBytes, shown);
    return decodeText(bytes);
  });
}

async function loadTextOrNothing(place: Place, shown: string): Promise<DecodedText | undefined> {
  try {
    return await loadText(place, shown);
  } catch (error) {
    if (AgentError.is(error, "file_failed") && error.cause === undefined) return undefined;
    throw error;
  }
}

function isAllCrlf(text: string): boolean {
  return text.includes("\r\n") && !/(^|[^\r])\n/.test(text);
}
