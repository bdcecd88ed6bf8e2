import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AgentError,
  type Tool,
  type ToolContext,
  type ToolResult,
  type Workspace,
} from "../../src/core/index.ts";
import { openWorkspace } from "../../src/workspace/index.ts";

export interface ToolBench {
  root: string;
  /** Runs a call as the loop does: check the arguments, preview, execute; what is thrown becomes a failure. */
  call(input: unknown, context?: Partial<ToolContext>): Promise<ToolResult>;
  text(path: string): string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** One tool on a workspace with the given files. */
export async function openBench(
  create: (workspace: Workspace) => Tool,
  files: Readonly<Record<string, string>> = {},
): Promise<ToolBench> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-tool-")));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  const workspace = await openWorkspace(root, { home: "/nonexistent", stateDir: "/nonexistent/state" });
  const tool = create(workspace);
  return {
    root,
    call: (input, context = {}) =>
      runCall(tool, input, {
        callId: "call_1",
        signal: new AbortController().signal,
        resultBytes: 4_000,
        emit: () => {},
        ...context,
      }),
    text: (path) => readFileSync(join(root, path), "utf8"),
    [Symbol.asyncDispose]: async () => {
      await workspace[Symbol.asyncDispose]();
      rmSync(root, { recursive: true });
    },
  };
}

async function runCall(tool: Tool, input: unknown, context: ToolContext): Promise<ToolResult> {
  const parsed = tool.parse(input);
  if (!parsed.ok) return { ok: false, error: parsed.error };
  try {
    await tool.preview(parsed.arguments);
    return await tool.execute(parsed.arguments, context);
  } catch (error) {
    if (AgentError.is(error)) return { ok: false, error: error.message };
    throw error;
  }
}
