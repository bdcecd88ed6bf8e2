import { messageText, type Message, type ToolMessage, type ToolResult } from "../../core/index.ts";
import type { OwnNote } from "../../core/message.ts";
import { shorten } from "../format.ts";
import { OWN_NOTES } from "../session-view.ts";
import { toTerminalLine } from "../terminal-text.ts";
import { createBlock, type Block } from "./block.ts";
import { createMarkdownBlock } from "./markdown.ts";
import { createNoteBlock, createRequestBlock } from "./text-blocks.ts";
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
  if (message.role !== "system" && message.role !== "tool" && message.note !== undefined)
    return [createOwnBlock(text, message.note, theme)];
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

const NOTE_CHARACTERS = 200;

/** Words of ours: one quiet line, all of them with the details. */
function createOwnBlock(text: string, note: OwnNote, { style }: Theme): Block {
  const toNote = (shown: string) =>
    createNoteBlock(`${OWN_NOTES[note]}: ${shown}`, { paint: style.dim, mark: "·" });
  const brief = toNote(shorten(toTerminalLine(text), NOTE_CHARACTERS));
  const whole = toNote(text);
  return createBlock("note", (width, options) => [
    ...(options.expanded ? whole : brief).render(width, options),
  ]);
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
