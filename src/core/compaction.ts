/**
 * What a compaction does to a conversation, as data: it is an event, a record of the session log, and what a resume replays. Nothing
 * leaves the log; only what is sent next gets shorter.
 */
import type { Message } from "./message.ts";

/**
 * Messages that stay as they are (`from` to `to`, the second excluded, counted in the conversation before), and new ones. What stays keeps
 * its order and comes once.
 */
export type CompactedPart = { keep: readonly [from: number, to: number] } | { message: Message };

/** `elided`: old results became one line each. `summarised`: the model wrote down what older turns came to. `folded`: the same by rule. */
export const COMPACTION_METHODS = ["elided", "summarised", "folded"] as const;
export type CompactionMethod = (typeof COMPACTION_METHODS)[number];

/** `threshold`: the window is getting full. `overflow`: the server refused the request as too long. `request`: the user wanted it. */
export const COMPACTION_CAUSES = ["threshold", "overflow", "request"] as const;
export type CompactionCause = (typeof COMPACTION_CAUSES)[number];

export interface Compaction {
  cause: CompactionCause;
  method: CompactionMethod;
  parts: readonly CompactedPart[];
  /** Of the whole prompt, by the server's count as far as known. */
  tokensBefore: number;
  tokensAfter: number;
}

/** The conversation after a compaction; `undefined` when the parts do not fit it. */
export function applyCompaction(
  messages: readonly Message[],
  parts: readonly CompactedPart[],
): Message[] | undefined {
  const result: Message[] = [];
  let done = 0;
  for (const part of parts) {
    if ("message" in part) {
      result.push(part.message);
      continue;
    }
    const [from, to] = part.keep;
    if (!Number.isInteger(from) || !Number.isInteger(to) || from < done || to < from || to > messages.length)
      return undefined;
    done = to;
    // One by one: a call takes only so many arguments.
    for (const message of messages.slice(from, to)) result.push(message);
  }
  return result;
}
