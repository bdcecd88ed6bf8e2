import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool, ToolFailure } from "../core/tool.ts";
import { previewCommand, type CommandToolOptions } from "./command-preview.ts";
import { type GitEnd, runGit, toCommandLine, toGitFailure } from "./run-git.ts";

export function createGitAddTool(options: CommandToolOptions): Tool {
  return defineTool({
    name: "git_add",
    description: "Stage files",
    parameters: z.object({ paths: z.array(z.string()) }),
    access: "write",
    preview: ({ paths }) => previewCommand(toCommandLine(["git", "add", "--", ...paths]), options),
    async execute({ paths }, context) {
      const named = paths.filter((path) => path.trim() !== "");
      if (named.length === 0) return { ok: false, error: '`paths` is empty; name files, or "." for all' };
      const end = await runGit(["add", "--verbose", "--", ...named], { ...options, context });
      if (!end.ok) return toAddFailure(end, named);
      return { ok: true, output: end.stdout.trimEnd() || "nothing new to stage" };
    },
  });
}

function toAddFailure(end: GitEnd, paths: readonly string[]): ToolFailure {
  const failure = toGitFailure(end);
  const isPattern =
    /did not match any files/.test(failure.error) && paths.some((path) => /[*?[]|^:/.test(path));
  if (!isPattern) return failure;
  return { ...failure, error: `${failure.error}; patterns are not expanded, name files or folders` };
}
