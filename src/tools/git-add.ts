import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import { previewCommand, type CommandToolOptions } from "./command-preview.ts";
import { runGit, toGitFailure } from "./run-git.ts";

export function createGitAddTool(options: CommandToolOptions): Tool {
  return defineTool({
    name: "git_add",
    description: "Stage files",
    parameters: z.object({ paths: z.array(z.string()) }),
    access: "write",
    preview: ({ paths }) => previewCommand(["git add --", ...paths].join(" "), options),
    async execute({ paths }, context) {
      const named = paths.filter((path) => path.trim() !== "");
      if (named.length === 0) return { ok: false, error: '`paths` is empty; name files, or "." for all' };
      const end = await runGit(["add", "--verbose", "--", ...named], { ...options, context });
      if (!end.ok) return toGitFailure(end);
      return { ok: true, output: end.stdout.trimEnd() || "nothing new to stage" };
    },
  });
}
