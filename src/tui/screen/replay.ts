import { messageText, type Message, type ToolMessage, type ToolResult } from "../../core/index.ts";
import type { Block } from "./block.ts";
import { createMarkdownBlock } from "./markdown.ts";
import { createRequestBlock } from "./text-blocks.ts";
import type { Theme } from "./theme.ts";
import { createToolBlock } from "./tool-block.ts";

/** More than this of an old conversation is not shown again. */
const MOST_MESSAGES = 100;

/** The blocks of a conversation that was had before. */
export function toTranscriptBlocks(messages: readonly Message[], theme: Theme): Block[] {
  const results = new Map<string, ToolMessage>();
  for (const message of messages) if (message.role === "tool") results.set(message.tool_call_id, message);
  return messages.slice(-MOST_MESSAGES).flatMap((message) => toBlocks(message, { results, theme }));
}

function toBlocks(
  message: Message,
  { results, theme }: { results: ReadonlyMap<string, ToolMessage>; theme: Theme },
): Block[] {
  const text = messageText(message).trim();
  if (message.role === "user")
    return [createRequestBlock(text === "" ? "(image)" : text, { style: theme.style })];
  if (message.role !== "assistant") return [];
  const blocks: Block[] = [];
  if (text !== "") {
    const answer = createMarkdownBlock(theme);
    answer.append(text);
    blocks.push(answer.block);
  }
  for (const call of message.tool_calls ?? []) {
    const tool = createToolBlock({
      name: call.function.name,
      input: parseJson(call.function.arguments),
      style: theme.style,
    });
    const result = results.get(call.id);
    if (result === undefined) tool.abandon();
    else tool.finish(toResult(result.content));
    blocks.push(tool.block);
  }
  return blocks;
}

function toResult(content: string): ToolResult {
  const parsed = parseJson(content) as Partial<ToolResult> | undefined;
  if (parsed?.ok === true && typeof parsed.output === "string") return parsed as ToolResult;
  if (parsed?.ok === false && typeof parsed.error === "string") return parsed as ToolResult;
  return { ok: true, output: content };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
