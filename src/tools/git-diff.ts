import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import { previewCommand, type CommandToolOptions } from "./command-preview.ts";
import { runGit, toCommandLine, toGitFailure } from "./run-git.ts";

/** Changes inside submodules are theirs: git would start itself there, with their configuration. */
const DIFF = ["diff", "--no-ext-diff", "--no-textconv", "--submodule=short", "--ignore-submodules=dirty"];

export function createGitDiffTool(options: CommandToolOptions): Tool {
  return defineTool({
    name: "git_diff",
    description: "Show unstaged or staged changes",
    parameters: z.object({ path: z.optional(z.string()), staged: z.optional(z.boolean()) }),
    access: "read",
    preview: ({ path, staged }) =>
      previewCommand(
        toCommandLine(["git", "diff", ...(staged ? ["--staged"] : []), ...(path ? ["--", path] : [])]),
        options,
      ),
    async execute({ path, staged }, context) {
      const which = staged ? ["--cached"] : [];
      const paths = path ? ["--", path] : [];
      const end = await runGit([...DIFF, ...which, ...paths], {
        ...options,
        context,
        locks: false,
      });
      if (!end.ok) return toGitFailure(end);
      return { ok: true, output: end.stdout || `no ${staged ? "staged" : "unstaged"} changes` };
    },
  });
}
