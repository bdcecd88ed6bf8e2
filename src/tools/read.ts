import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool, ToolContext, ToolResult } from "../core/tool.ts";
import type { TextRead, Workspace } from "../core/workspace.ts";

/** Room for the line that says how to go on. */
const TRAILER_BYTES = 100;

interface ReadInput {
  path: string;
  offset?: number | undefined;
  limit?: number | undefined;
}

/** Whole files come plain; a part that was asked for comes with line numbers. */
export function createReadTool(workspace: Workspace): Tool {
  return defineTool({
    name: "read",
    description: "Read a text file. offset: first line",
    parameters: z.object({ path: z.string(), offset: z.optional(z.int()), limit: z.optional(z.int()) }),
    access: "read",
    execute: (input, context) => readPart(workspace, input, context),
  });
}

async function readPart(
  workspace: Workspace,
  { path, offset, limit }: ReadInput,
  { resultBytes, signal }: ToolContext,
): Promise<ToolResult> {
  const maxBytes = Math.max(200, resultBytes - TRAILER_BYTES);
  const firstLine = Math.max(1, offset ?? 1);
  const lines = limit === undefined || limit < 1 ? {} : { lines: limit };
  const read = await workspace.readText(path, { firstLine, ...lines, maxBytes, signal });
  if (read.text === "") return describeNothing(read);
  const shown =
    offset === undefined && limit === undefined
      ? { text: read.text, lastLine: read.lastLine }
      : numberLines(read, maxBytes);
  const rest = describeRest(read, shown.lastLine);
  if (rest === undefined) return { ok: true, output: shown.text };
  return { ok: true, output: `${shown.text.replace(/\n$/, "")}\n[${rest}]`, truncated: true };
}

function describeNothing({ path, firstLine, totalLines, sizeBytes }: TextRead): ToolResult {
  if (sizeBytes === 0 || totalLines === 0) return { ok: true, output: "(empty file)" };
  return {
    ok: false,
    error: `${path} has ${totalLines === undefined ? "fewer" : `only ${totalLines}`} lines; offset=${firstLine} is past its end`,
  };
}

function numberLines({ text, firstLine }: TextRead, maxBytes: number): { text: string; lastLine: number } {
  let bytes = 0;
  const kept: string[] = [];
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const shown = `${firstLine + kept.length}: ${line}`;
    bytes += Buffer.byteLength(shown) + 1;
    if (kept.length > 0 && bytes > maxBytes) break;
    kept.push(shown);
  }
  return { text: kept.join("\n"), lastLine: firstLine + kept.length - 1 };
}

function describeRest(
  { totalLines, truncated, lineCut, sizeBytes }: TextRead,
  lastLine: number,
): string | undefined {
  if (lineCut) return `line ${lastLine} is cut, the file has ${sizeBytes} bytes`;
  if (totalLines !== undefined && lastLine < totalLines) {
    const more = totalLines - lastLine;
    return `${more} more ${more === 1 ? "line" : "lines"}, use offset=${lastLine + 1}`;
  }
  return truncated && totalLines === undefined
    ? `more lines, use offset=${lastLine + 1}; the file has ${sizeBytes} bytes`
    : undefined;
}
