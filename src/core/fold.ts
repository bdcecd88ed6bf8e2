/**
 * Older turns are replaced by a record. The user's own messages stay where they are, and between them stands a word of the agent, since
 * strict chat templates want user and assistant to take turns, tool calls and results apart.
 */
import type { CompactedPart } from "./compaction.ts";
import { breakControlTokens } from "./control-tokens.ts";
import type { AssistantMessage, Message, UserMessage } from "./message.ts";
import { toWellFormed } from "./result.ts";
import { isOwnRequest, newestTurnStart, toShortLine } from "./transcript.ts";

/** Answers to earlier requests that stay word for word. */
const SHORT_ANSWER_CHARACTERS = 300;
const GO_ON = "(Steps before this were left out; the record above stands for them. Go on from there.)";
const LEFT_OUT = "(left out)";

export interface BoundaryOptions {
  /** Most tokens of newest turns that stay; the newest one stays in any case. */
  keepTokens: number;
  toTokens: (message: Message) => number;
}

/** Index from which on everything stays; `undefined` when nothing lies before it that could go. */
export function findBoundary(
  messages: readonly Message[],
  { keepTokens, toTokens }: BoundaryOptions,
): number | undefined {
  const start = firstAfterSystem(messages);
  const newest = newestTurnStart(messages);
  let boundary: number | undefined;
  let tokens = 0;
  for (let index = messages.length; index > start; index -= 1) {
    const message = messages[index];
    if (message !== undefined) tokens += toTokens(message);
    if (isRecordPart(message) || (boundary !== undefined && tokens > keepTokens)) break;
    if (index <= newest && mayBegin(message)) boundary = index;
  }
  const older = messages.slice(start, boundary);
  return boundary !== undefined && older.some((message) => !isOwnRequest(message)) ? boundary : undefined;
}

/** What stays may begin with a request of the user or a turn, never with a result or with words of ours to an answer. */
function mayBegin(message: Message | undefined): boolean {
  return message === undefined || message.role === "assistant" || isOwnRequest(message);
}

/** What an earlier compaction left goes into the new record. */
function isRecordPart(message: Message | undefined): boolean {
  return (message?.role === "assistant" || message?.role === "user") && message.note === "compaction";
}

export interface FoldOptions {
  boundary: number;
  record: string;
  /** Whether short answers to earlier requests stay. */
  answers: boolean;
}

/** The conversation with everything before the boundary but the user's own words as one record. */
export function toFoldedParts(
  messages: readonly Message[],
  { boundary, record, answers }: FoldOptions,
): CompactedPart[] {
  const start = firstAfterSystem(messages);
  const builder = new PartsBuilder(messages);
  for (let index = 0; index < start; index += 1) builder.keep(index);
  const requests = indexesOfRequests(messages, start, boundary);
  if (requests.length === 0) builder.add(toNote("user", LEFT_OUT));
  for (const [order, index] of requests.entries()) {
    if (order > 0 && answers) addAnswer(builder, messages, index);
    else if (order > 0) builder.add(toNote("assistant", LEFT_OUT));
    builder.keep(index);
  }
  builder.add(toNote("assistant", record));
  if (messages[boundary]?.role === "assistant") builder.add(toNote("user", GO_ON));
  for (let index = boundary; index < messages.length; index += 1) builder.keep(index);
  return builder.parts;
}

function indexesOfRequests(messages: readonly Message[], start: number, end: number): number[] {
  const indexes: number[] = [];
  for (let index = start; index < end; index += 1)
    if (isOwnRequest(messages[index] as Message)) indexes.push(index);
  return indexes;
}

/** What was answered right before this request, when it is short; else its beginning, or a mark that something was. */
function addAnswer(builder: PartsBuilder, messages: readonly Message[], request: number): void {
  const before = messages[request - 1];
  if (before?.role !== "assistant" || before.tool_calls?.length || before.note !== undefined) {
    builder.add(toNote("assistant", LEFT_OUT));
    return;
  }
  const text = before.content ?? "";
  if (text.length <= SHORT_ANSWER_CHARACTERS && before.reasoning_content === undefined)
    builder.keep(request - 1);
  else builder.add(toNote("assistant", toShortLine(text, SHORT_ANSWER_CHARACTERS) || LEFT_OUT));
}

function toNote(role: "user" | "assistant", content: string): UserMessage | AssistantMessage {
  // What it says of results is data; what was escaped in them before stays as it is.
  return { role, content: breakControlTokens(toWellFormed(content)), note: "compaction" };
}

function firstAfterSystem(messages: readonly Message[]): number {
  return messages[0]?.role === "system" ? 1 : 0;
}

/** Parts that name the messages which stay in as few pieces as can be. */
export class PartsBuilder {
  readonly #parts: CompactedPart[] = [];
  readonly #count: number;

  constructor(messages: readonly Message[]) {
    this.#count = messages.length;
  }

  get parts(): CompactedPart[] {
    return this.#parts;
  }

  keep(index: number): void {
    if (index >= this.#count) return;
    const last = this.#parts.at(-1);
    if (last !== undefined && "keep" in last && last.keep[1] === index) {
      this.#parts[this.#parts.length - 1] = { keep: [last.keep[0], index + 1] };
    } else this.#parts.push({ keep: [index, index + 1] });
  }

  add(message: Message): void {
    this.#parts.push({ message });
  }
}

/** The parts by which one conversation becomes another of the same length. */
export function toReplacedParts(before: readonly Message[], after: readonly Message[]): CompactedPart[] {
  const builder = new PartsBuilder(before);
  for (const [index, message] of after.entries())
    if (message === before[index]) builder.keep(index);
    else builder.add(message);
  return builder.parts;
}
