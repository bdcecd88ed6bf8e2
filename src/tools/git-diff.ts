import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import { previewCommand, type CommandToolOptions } from "./command-preview.ts";
import { runGit, toGitFailure } from "./run-git.ts";

export function createGitDiffTool(options: CommandToolOptions): Tool {
  return defineTool({
    name: "git_diff",
    description: "Show unstaged or staged changes",
    parameters: z.object({ path: z.optional(z.string()), staged: z.optional(z.boolean()) }),
    access: "read",
    preview: ({ path, staged }) =>
      previewCommand(
        ["git diff", ...(staged ? ["--staged"] : []), ...(path ? ["--", path] : [])].join(" "),
        options,
      ),
    async execute({ path, staged }, context) {
      const which = staged ? ["--cached"] : [];
      const paths = path ? ["--", path] : [];
      const end = await runGit(["diff", "--no-ext-diff", "--no-textconv", ...which, ...paths], {
        ...options,
        context,
        locks: false,
      });
      if (!end.ok) return toGitFailure(end);
      return { ok: true, output: end.stdout || `no ${staged ? "staged" : "unstaged"} changes` };
    },
  });
}
