import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import type { TextSearch, Workspace } from "../core/workspace.ts";

const TRAILER_BYTES = 60;

export function createGrepTool(workspace: Workspace): Tool {
  return defineTool({
    name: "grep",
    description: "Search file contents (regex)",
    parameters: z.object({
      pattern: z.string(),
      path: z.optional(z.string()),
      glob: z.optional(z.string()),
      ignore_case: z.optional(z.boolean()),
      context: z.optional(z.int()),
    }),
    access: "read",
    async execute({ pattern, path = ".", glob, ignore_case, context }, { signal, resultBytes }) {
      const search = await workspace.searchText(pattern, {
        path,
        ...(glob ? { glob } : {}),
        ignoreCase: ignore_case === true,
        contextLines: context ?? 0,
        maxBytes: Math.max(200, resultBytes - TRAILER_BYTES),
        signal,
      });
      return { ok: true, output: describeSearch(search), ...noteOf(search) };
    },
  });
}

function describeSearch({ text, truncated }: TextSearch): string {
  if (text === "")
    return truncated ? "no matches before the search was stopped; narrow it with path or glob" : "no matches";
  return truncated ? `${text}\n[more matches; narrow the search]` : text;
}

function noteOf({ literal }: TextSearch): { note?: string } {
  return literal === undefined
    ? {}
    : { note: `no regular expression (${literal}); searched for the text as it stands` };
}
