import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import { previewCommand, type CommandToolOptions } from "./command-preview.ts";
import { runGit, toGitFailure } from "./run-git.ts";

export function createGitStatusTool(options: CommandToolOptions): Tool {
  return defineTool({
    name: "git_status",
    description: "Show changed files",
    parameters: z.object({}),
    access: "read",
    preview: () => previewCommand("git status", options),
    async execute(_, context) {
      const status = ["status", "--short", "--branch", "--ignore-submodules=dirty"];
      const end = await runGit(status, { ...options, context, locks: false });
      if (!end.ok) return toGitFailure(end);
      const [header = "", ...files] = end.stdout.split("\n");
      const output = files.join("\n").trimEnd() || "nothing to commit, working tree clean";
      return { ok: true, output, branch: toBranch(header) };
    },
  });
}

/** The first line is `## main...origin/main [ahead 1]`, or `## No commits yet on main`. */
function toBranch(header: string): string {
  const words = header.replace(/^## /, "");
  const fresh = /^No commits yet on (.*)$/.exec(words)?.[1];
  return fresh === undefined ? words : `${fresh} (no commits yet)`;
}
