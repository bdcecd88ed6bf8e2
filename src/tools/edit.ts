import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";
import { cutLines } from "./cut-lines.ts";

/** The model knows what it asked for; the diff is a reminder, not a record. */
const MAX_DIFF_BYTES = 800;

export function createEditTool(workspace: Workspace): Tool {
  return defineTool({
    name: "edit",
    description: "Replace old text in a file. old must occur once, or set all",
    parameters: z.object({
      path: z.string(),
      old: z.string(),
      new: z.string(),
      all: z.optional(z.boolean()),
    }),
    access: "write",
    preview: ({ path, all, ...change }) => workspace.previewEdit(path, { ...change, all: all === true }),
    async execute({ path, all, ...change }, { signal, resultBytes }) {
      signal.throwIfAborted();
      const edit = await workspace.editText(path, { ...change, all: all === true });
      if (!edit.ok) return { ok: false, error: edit.error };
      const count = `replaced ${edit.replacements} ${edit.replacements === 1 ? "occurrence" : "occurrences"} in ${edit.path}`;
      const diff = cutLines(edit.diff.trimEnd().split("\n"), {
        maxBytes: Math.min(MAX_DIFF_BYTES, resultBytes / 4),
        more: "lines of diff",
      });
      return { ok: true, output: edit.note ? `${count}; ${edit.note}` : count, diff };
    },
  });
}
