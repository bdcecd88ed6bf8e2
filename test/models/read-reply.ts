import type { ModelEvent, ModelReply, ToolSchema } from "../../src/core/model.ts";
import { toDelta } from "../../src/models/completion.ts";
import { ReplyReader } from "../../src/models/reply-reader.ts";
import { TOOLS } from "./tools.ts";

export interface ReadReply extends ModelReply {
  events: readonly ModelEvent[];
  /** What the user saw, all pieces together. */
  shown: string;
}

/** Feeds deltas to a reader as a server would and returns the reply. */
export function readReply(
  deltas: readonly unknown[],
  {
    finish = "stop",
    tools = TOOLS,
    sources = [],
  }: { finish?: string | null; tools?: readonly ToolSchema[]; sources?: readonly string[] } = {},
): ReadReply {
  let made = 0;
  const reader = new ReplyReader({ tools, usedIds: new Set(), newId: () => `id${(made += 1)}`, sources });
  const events = deltas.flatMap((delta) => reader.take(toDelta({ choices: [{ delta }] })));
  if (finish !== null)
    events.push(...reader.take(toDelta({ choices: [{ delta: {}, finish_reason: finish }] })));
  events.push(...reader.end({ ended: finish !== null }));
  const last = events.at(-1);
  if (last?.type !== "finished") throw new Error("the last event must be `finished`");
  const shown = events.map((event) => (event.type === "text_delta" ? event.text : "")).join("");
  return { ...last.reply, events, shown };
}

/** The same for plain text in pieces of `size` characters. */
export function readText(
  text: string,
  {
    size = text.length,
    ...options
  }: { size?: number; finish?: string | null; sources?: readonly string[] } = {},
): ReadReply {
  const pieces: unknown[] = [];
  for (let at = 0; at < text.length; at += Math.max(1, size))
    pieces.push({ content: text.slice(at, at + Math.max(1, size)) });
  return readReply(pieces, options);
}
