import { toBudgets, type Budgets } from "../../src/core/budget.ts";
import { compact, type CompactOptions } from "../../src/core/compact.ts";
import type { Compaction } from "../../src/core/compaction.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { messageText, type Message } from "../../src/core/message.ts";
import type { ModelReply, ModelRequest, ToolSchema } from "../../src/core/model.ts";
import { TokenMeter } from "../../src/core/token-meter.ts";
import type { ToolResult } from "../../src/core/tool.ts";
import { createScriptedModel } from "../../src/testing/scripted-model.ts";
import { createMemoryOutputs } from "./_transcripts.ts";

export const SYSTEM: Message = { role: "system", content: "You are an agent." };
export const TASK: Message = { role: "user", content: "Mend the tests. Never touch package.json." };
export const LONG = "some line of the file\n".repeat(60);
export const TOOLS: ToolSchema[] = [
  { type: "function", function: { name: "read", description: "", parameters: {} } },
];

let id = 0;

/** The id that the next call gets. */
export function nextId(): string {
  return `c${id + 1}`;
}

export function turn(name: string, args: Record<string, unknown>, result: ToolResult): Message[] {
  id += 1;
  return [
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: `c${id}`, type: "function", function: { name, arguments: JSON.stringify(args) } }],
    },
    { role: "tool", tool_call_id: `c${id}`, content: JSON.stringify(result) },
  ];
}

export const read = (path: string, more: Record<string, unknown> = {}): Message[] =>
  turn("read", { path, ...more }, { ok: true, output: toText(path, more) });

/** Sixty lines, others in each file and part. */
export function toText(path: string, more: Record<string, unknown> = {}): string {
  return LONG.replace("some line", `${path} ${JSON.stringify(more)}`);
}

export interface Tried {
  after: readonly Message[] | undefined;
  compaction: Compaction | undefined;
  events: readonly AgentEvent[];
  requests: readonly ModelRequest[];
  files: ReadonlyMap<string, string>;
}

export async function tryCompact(
  messages: readonly Message[],
  {
    replies = [],
    shares = {},
    ...more
  }: Partial<CompactOptions> & { replies?: Partial<ModelReply>[]; shares?: Partial<Budgets> } = {},
): Promise<Tried> {
  const meter = new TokenMeter();
  const outputs = createMemoryOutputs();
  const model = createScriptedModel(replies);
  const budgets = {
    ...toBudgets({
      info: { contextTokens: 8_192, profile: { name: "default" } },
      fixedTokens: 100,
      bytesPerToken: 3,
    }),
    ...shares,
  };
  const events = compact({
    model,
    messages,
    request: { tools: TOOLS, temperature: 0.5, slot: 2 },
    meter,
    budgets,
    cause: "threshold",
    leastTokens: 300,
    outputs: outputs.log,
    turn: 7,
    signal: new AbortController().signal,
    ...more,
  });
  const seen: AgentEvent[] = [];
  for (;;) {
    const { done, value } = await events.next();
    if (!done) {
      seen.push(value);
      continue;
    }
    const compaction = seen.find((event) => event.type === "context_compacted");
    return { after: value, compaction, events: seen, requests: model.requests, files: outputs.files };
  }
}

export function textAt(messages: readonly Message[] | undefined, index: number): string {
  const message = messages?.[index];
  return message === undefined ? "" : messageText(message);
}

/** What stands in the results, in order. */
export function outputs(messages: readonly Message[] | undefined): string[] {
  return (messages ?? []).flatMap((message) => {
    if (message.role !== "tool") return [];
    const result = JSON.parse(message.content) as { output?: string; error?: string };
    return [result.output ?? result.error ?? ""];
  });
}

export const all = { compactTo: 0, elideTo: 8_000 };
