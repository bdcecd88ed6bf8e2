import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";

export function createMkdirTool(workspace: Workspace): Tool {
  return defineTool({
    name: "mkdir",
    description: "Create a folder",
    parameters: z.object({ path: z.string() }),
    access: "write",
    preview: ({ path }) => workspace.previewMakeFolder(path),
    async execute(input, { signal }) {
      signal.throwIfAborted();
      const { path, created } = await workspace.makeFolder(input.path);
      return { ok: true, output: created ? `created folder ${path}` : `folder ${path} already exists` };
    },
  });
}
