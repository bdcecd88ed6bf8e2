import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool, ToolResult } from "../core/tool.ts";
import { previewCommand, type CommandToolOptions } from "./command-preview.ts";
import { runGit, toCommandLine, toGitFailure } from "./run-git.ts";

interface BranchCall {
  name?: string | undefined;
  create?: boolean | undefined;
  switch?: boolean | undefined;
}

export function createGitBranchTool(options: CommandToolOptions): Tool {
  return defineTool({
    name: "git_branch",
    description: "List, create or switch branches",
    parameters: z.object({
      name: z.optional(z.string()),
      create: z.optional(z.boolean()),
      switch: z.optional(z.boolean()),
    }),
    access: "write",
    preview: (call) => previewCommand(toCommandLine(["git", ...toArguments(call)]), options),
    async execute(call, context) {
      const problem = findProblem(call);
      if (problem !== undefined) return { ok: false, error: problem };
      const end = await runGit(toArguments(call), { ...options, context });
      return end.ok ? toBranchResult(call, end.stdout) : toGitFailure(end);
    },
  });
}

/** A name alone makes a branch, as it does for git. */
function toArguments({ name, create, switch: go }: BranchCall): string[] {
  if (!name) return ["branch", "--list"];
  if (!go) return ["branch", "--", name];
  return create ? ["switch", "--create", name] : ["switch", name];
}

function findProblem({ name, create, switch: go }: BranchCall): string | undefined {
  if (!name) return create || go ? "`name` is missing; say which branch" : undefined;
  if (isBranchName(name)) return undefined;
  return `\`${name}\` is no branch name: letters, digits and . _ / - without blanks, and no - at the start`;
}

/** Narrower than git's own rule (git-check-ref-format(1)), so that no name is read as an option, a range or a past branch. */
function isBranchName(name: string): boolean {
  return (
    /^[\p{L}\p{N}_][\p{L}\p{N}_./+#-]*$/u.test(name) && !/\.\.|\/\/|\/\.|\.lock(\/|$)|[./]$|^HEAD$/.test(name)
  );
}

function toBranchResult({ name, create, switch: go }: BranchCall, stdout: string): ToolResult {
  if (!name) return { ok: true, output: stdout.trimEnd() || "no branches yet" };
  if (!go) return { ok: true, output: `created branch ${name}` };
  return {
    ok: true,
    output: create ? `created and switched to branch ${name}` : `switched to branch ${name}`,
  };
}
