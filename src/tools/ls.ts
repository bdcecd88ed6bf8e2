import { posix } from "node:path";
import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";
import { cutLines } from "./cut-lines.ts";

const MAX_ENTRIES = 1_000;
const MARKS = { folder: "/", link: "@", file: "", other: "" } as const;

export function createLsTool(workspace: Workspace): Tool {
  return defineTool({
    name: "ls",
    description: "List a folder",
    parameters: z.object({ path: z.optional(z.string()) }),
    access: "read",
    async execute({ path = "." }, { resultBytes }) {
      const { entries, truncated } = await workspace.list(path, { limit: MAX_ENTRIES });
      if (entries.length === 0) return { ok: true, output: "(empty)" };
      const names = entries.map((entry) => `${posix.basename(entry.path)}${MARKS[entry.kind]}`);
      const output = cutLines(names, { maxBytes: resultBytes, more: "names; use glob" });
      return { ok: true, output: truncated ? `${output}\n[the folder has more names; use glob]` : output };
    },
  });
}
