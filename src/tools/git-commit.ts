import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool, ToolResult } from "../core/tool.ts";
import { previewCommand, type CommandToolOptions } from "./command-preview.ts";
import { runGit, toCommandLine, toGitFailure, type GitEnd } from "./run-git.ts";

/** Who commits when neither the repository nor the machine names anybody. */
const IDENTITY = ["-c", "user.name=LMAgent", "-c", "user.email=lmagent@localhost"];

export function createGitCommitTool(options: CommandToolOptions): Tool {
  return defineTool({
    name: "git_commit",
    description: "Commit staged changes",
    parameters: z.object({ message: z.string(), allow_empty: z.optional(z.boolean()) }),
    access: "write",
    preview: ({ message }) =>
      previewCommand(toCommandLine(["git", "commit", `--message=${message}`]), options),
    async execute({ message, allow_empty }, context) {
      if (message.trim() === "") return { ok: false, error: "`message` is empty; say what the commit does" };
      const commit = [
        "commit",
        "--no-verify",
        "--cleanup=whitespace",
        ...(allow_empty ? ["--allow-empty"] : []),
        `--message=${message}`,
      ];
      const run = { ...options, context };
      const end = await runGit(["-c", "user.useConfigOnly=true", ...commit], run);
      const nameless = !end.ok && /user\.useConfigOnly|empty ident|tell me who you are/i.test(end.stderr);
      return toCommitResult(nameless ? await runGit([...IDENTITY, ...commit], run) : end);
    },
  });
}

function toCommitResult(end: GitEnd): ToolResult {
  if (end.ok) return { ok: true, output: toSummary(end.stdout) };
  if (/nothing to commit, working tree clean/.test(end.stdout)) {
    return { ok: false, error: "nothing to commit, working tree clean" };
  }
  if (/(nothing|no changes) added to commit|nothing to commit/.test(end.stdout)) {
    return { ok: false, error: "nothing is staged; use git_add first" };
  }
  return toGitFailure(end);
}

/** `[main 1a2b3c4] message`, the first line of what git says. */
function toSummary(stdout: string): string {
  const line = stdout.split("\n").find((each) => each.startsWith("[")) ?? stdout.trim();
  return line.replace(/^\[(.*) \(root-commit\) /, "[$1 ");
}
