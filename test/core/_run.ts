import * as z from "zod/mini";
import type { Approver } from "../../src/core/approval.ts";
import { defineTool } from "../../src/core/define-tool.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { run } from "../../src/core/loop.ts";
import type { RunOptions, RunResult } from "../../src/core/run-options.ts";
import { messageText } from "../../src/core/message.ts";
import type { Tool, ToolAccess, ToolContext, ToolResult } from "../../src/core/tool.ts";
import type { ScriptedModel } from "../../src/testing/scripted-model.ts";

export const allowAll: Approver = { ask: async ({ digest }) => ({ decision: "allow", digest }) };

/** Runs to the end and gives every event. */
export async function collect(
  options: Partial<RunOptions> & Pick<RunOptions, "model">,
): Promise<{ events: AgentEvent[]; result: RunResult }> {
  const events: AgentEvent[] = [];
  const runner = run({
    tools: [],
    messages: [{ role: "system", content: "system" }],
    input: "do it",
    mode: () => "auto",
    approver: allowAll,
    now: () => 0,
    ...options,
  });
  for (;;) {
    const { done, value } = await runner.next();
    if (done) return { events, result: value };
    events.push(value);
  }
}

export function types(events: readonly AgentEvent[]): string[] {
  return events.map((event) =>
    event.type === "message_added" ? `message_added:${event.message.role}` : event.type,
  );
}

export function last(events: readonly AgentEvent[]): Extract<AgentEvent, { type: "run_finished" }> {
  const event = events.at(-1);
  if (event?.type !== "run_finished") throw new Error("the run did not finish");
  return event;
}

/** The words of the newest message of a request, the first one being 0. */
export function sentLast({ requests }: ScriptedModel, index: number): string {
  const message = requests[index]?.messages.at(-1);
  if (message === undefined) throw new Error(`there was no request ${index}`);
  return messageText(message);
}

/** A tool with one text parameter. */
export function textTool(
  name: string,
  execute: (text: string, context: ToolContext) => Promise<ToolResult> | ToolResult,
  { access = "read" }: { access?: ToolAccess } = {},
): Tool {
  return defineTool({
    name,
    description: name,
    access,
    parameters: z.object({ text: z.string() }),
    execute: async ({ text }, context) => execute(text, context),
  });
}

export const echo = textTool("echo", (text) => ({ ok: true, output: text }));
