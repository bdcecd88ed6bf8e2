import { createHash } from "node:crypto";
import { capText, failure } from "../../core/result.ts";
import { toSandboxLabel, type Sandbox } from "../../core/sandbox.ts";
import type { CallPreview, Tool, ToolContext, ToolResult } from "../../core/tool.ts";
import { previewCommand, type CommandToolOptions } from "../command-preview.ts";
import { createLiveOutput } from "../live-output.ts";
import { checkArguments } from "./check-arguments.ts";
import type { ToolSource } from "./connection.ts";
import type { ToolDeclaration } from "./declaration.ts";
import { createToolHost } from "./tool-host.ts";

/** Before the name of every custom tool, so that none can stand for a built-in one. */
export const CUSTOM_PREFIX = "custom_";

export interface CustomToolOptions extends CommandToolOptions {
  source: ToolSource;
  /** As it was when the tool was trusted: what the file says later is not heard. */
  declaration: ToolDeclaration;
  /** The user has trusted this tool to run in a sandbox that does not isolate. */
  outsideSandbox?: boolean;
}

export interface CustomTool extends Tool, AsyncDisposable {}

/**
 * A tool that is a file of the workspace. It counts as a command whatever it says of itself: nothing but the sandbox keeps it from
 * changing things.
 */
export function createCustomTool(options: CustomToolOptions): CustomTool {
  const { source, declaration, sandbox } = options;
  const host = createToolHost(source, { sandbox });
  const version = createHash("sha256").update(source.text).digest("hex");
  return {
    name: `${CUSTOM_PREFIX}${source.name}`,
    description: declaration.description,
    parameters: declaration.parameters,
    access: "execute",
    parse: (input) => checkArguments(declaration.parameters, input),
    preview: async (input) => ({ ...(await previewCall(input, options)), version }),
    async execute(input, context) {
      const live = createLiveOutput(context);
      try {
        const answer = await host.call(input, {
          timeoutMs: declaration.timeoutMs,
          signal: context.signal,
          onOutput: (bytes) => live.append(bytes, "stderr"),
        });
        return toResult(answer, { source, sandbox, context });
      } finally {
        live.end();
      }
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

async function previewCall(input: unknown, options: CustomToolOptions): Promise<CallPreview> {
  const call = `${options.source.file} ${JSON.stringify(input)}`;
  if (options.outsideSandbox) {
    const { backend, isolated, network } = options.sandbox;
    return {
      kind: "text",
      text: call,
      concerns: ["it runs outside the sandbox, as you allowed for this tool"],
      refuseInAuto: false,
      place: { backend, isolated, network },
    };
  }
  // The same walls as those of commands, so the same reasons to ask.
  const { command: _, ...preview } = await previewCommand(call, options);
  return { ...preview, kind: "text" };
}

interface CallFacts {
  source: ToolSource;
  sandbox: Sandbox;
  context: ToolContext;
}

function toResult(
  answer: { ok: true; output: string } | { ok: false; error: string },
  { source, sandbox, context }: CallFacts,
): ToolResult {
  const place = { sandbox: toSandboxLabel(sandbox) };
  if (!answer.ok) return { ...failure(`${source.file}: ${answer.error}`), ...place };
  return { ok: true, output: capText(answer.output, context.resultBytes), ...place };
}
