import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OutputLog } from "../../src/core/output-log.ts";
import type { Sandbox } from "../../src/core/sandbox.ts";
import type { Tool, ToolEvent, ToolResult } from "../../src/core/tool.ts";
import { chooseSandbox } from "../../src/sandbox/index.ts";

/** A workspace of its own with the best sandbox of this machine. */
export interface CommandFixture extends AsyncDisposable {
  workspace: string;
  sandbox: Sandbox;
}

export async function openCommands(): Promise<CommandFixture> {
  const workspace = await mkdtemp(join(await realpath(tmpdir()), "lmagent-tools-test-"));
  const { sandbox } = await chooseSandbox({ workspaceRoot: workspace, allowUnsandboxed: true });
  return {
    workspace,
    sandbox,
    async [Symbol.asyncDispose]() {
      await sandbox[Symbol.asyncDispose]();
      await rm(workspace, { recursive: true });
    },
  };
}

export interface CallOptions {
  resultBytes?: number;
  signal?: AbortSignal;
  events?: ToolEvent[];
}

/** Calls a tool as the loop does: its arguments are parsed first. */
export async function callTool(
  tool: Tool,
  input: unknown,
  { resultBytes = 10_000, signal = new AbortController().signal, events = [] }: CallOptions = {},
): Promise<ToolResult> {
  const parsed = tool.parse(input);
  if (!parsed.ok) return { ok: false, error: parsed.error };
  return tool.execute(parsed.arguments, {
    callId: "call-1",
    signal,
    resultBytes,
    emit: (event) => events.push(event),
  });
}

/** A log that keeps what it is given, for looking at. */
export function createMemoryLog({ failAfterBytes = Infinity } = {}): OutputLog & {
  files: Map<string, Buffer>;
} {
  const files = new Map<string, Buffer>();
  return {
    files,
    open(callId) {
      const path = `outputs/${callId}.txt`;
      let complete = true;
      return {
        path,
        get complete() {
          return complete;
        },
        async append(chunk) {
          const before = files.get(path) ?? Buffer.alloc(0);
          if (before.length + chunk.length > failAfterBytes) complete = false;
          else files.set(path, Buffer.concat([before, chunk]));
        },
        close: async () => {},
      };
    },
  };
}
