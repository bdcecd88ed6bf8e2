import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";

export function createWriteTool(workspace: Workspace): Tool {
  return defineTool({
    name: "write",
    description: "Create or overwrite a file",
    parameters: z.object({ path: z.string(), content: z.string() }),
    access: "write",
    preview: ({ path, content }) => workspace.previewWrite(path, content),
    async execute(input, { signal }) {
      signal.throwIfAborted();
      const { path, created, bytes, lines } = await workspace.writeText(input.path, input.content);
      const size = `${lines} ${lines === 1 ? "line" : "lines"}`;
      return {
        ok: true,
        output: created
          ? `created ${path} (${bytes} bytes, ${size})`
          : `wrote ${bytes} bytes to ${path} (${size})`,
      };
    },
  });
}
