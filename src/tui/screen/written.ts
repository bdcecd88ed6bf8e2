/** What a `write` wrote: its result has no diff, but the call has the whole text. */
import type { ToolResult } from "../../core/index.ts";
import { formatCounted } from "../format.ts";

/** The text that a call gives a file; `undefined` for other calls. */
export function toWrittenText(name: string, input: unknown): string | undefined {
  if (name !== "write" || typeof input !== "object" || input === null) return undefined;
  const { content } = input as Record<string, unknown>;
  return typeof content === "string" ? content : undefined;
}

/** `+12 lines` in a new file, `12 lines` in one that was there before. */
export function formatWritten(text: string, result: ToolResult): string {
  const lines = text === "" ? 0 : text.replace(/\n$/, "").split("\n").length;
  const sign = result.ok && result.output.startsWith("created ") ? "+" : "";
  return `${sign}${formatCounted(lines, "line")}`;
}
