import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";
import { cutLines } from "./cut-lines.ts";

const MAX_PATHS = 1_000;

export function createGlobTool(workspace: Workspace): Tool {
  return defineTool({
    name: "glob",
    description: "Find files by name, like *.ts or src/**",
    parameters: z.object({ pattern: z.string(), path: z.optional(z.string()) }),
    access: "read",
    async execute({ pattern, path = "." }, { signal, resultBytes }) {
      const { paths, truncated } = await workspace.findFiles(pattern, { path, limit: MAX_PATHS, signal });
      if (paths.length === 0) return { ok: true, output: "no matches" };
      const output = cutLines(paths, { maxBytes: resultBytes, more: "files; narrow the pattern" });
      return {
        ok: true,
        output: truncated ? `${output}\n[there are more files; narrow the pattern]` : output,
      };
    },
  });
}
