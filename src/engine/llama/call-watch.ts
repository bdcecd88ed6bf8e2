/**
 * Watches generated text for tool calls and says when the grammar has to take over and when it is done. The tags count only
 * outside thinking; the closing tag only outside the call's JSON, because an argument may contain it; calls of bare text do not.
 */
import { createJsonScanner } from "../json-scanner.ts";
import type { JsonScanner } from "../json-scanner.ts";
import type { CallGrammar, ReplyGrammar } from "../protocol.ts";
import { findFirst, partialLength } from "../stop-scanner.ts";

export type WatchStep =
  | { type: "none" }
  /** The opening tag is complete; `excess` characters of the text lie behind it. */
  | { type: "opened"; excess: number }
  | { type: "closed" };

export interface CallWatch {
  push(text: string): WatchStep;
}

export function createCallWatch(grammar: CallGrammar, thinking?: ReplyGrammar["thinking"]): CallWatch {
  let call: { scanner: JsonScanner; rest: string | undefined } | undefined;
  let quiet = thinking?.startsInside ?? false;
  const words = thinking === undefined ? [grammar.open] : [grammar.open, thinking.open];
  let tail = "";

  const openCall = (): void => {
    call = { scanner: createJsonScanner(), rest: grammar.body === "text" ? "" : undefined };
    tail = "";
  };
  if (grammar.fromStart !== undefined) openCall();

  const insideCall = (state: NonNullable<typeof call>, text: string): WatchStep => {
    const ended = state.rest === undefined ? state.scanner.push(text) : 0;
    if (ended === undefined) return { type: "none" };
    state.rest = (state.rest ?? "") + text.slice(ended);
    if (!state.rest.includes(grammar.close)) return { type: "none" };
    call = undefined;
    return { type: "closed" };
  };

  /** Looks at the tags in order of appearance; what may still become one stays in `tail`. */
  const outside = (text: string): WatchStep => {
    tail += text;
    for (;;) {
      const wanted = quiet && thinking !== undefined ? [thinking.close] : words;
      const next = findFirst(tail, wanted);
      if (next === undefined) {
        tail = tail.slice(tail.length - Math.max(...wanted.map((word) => partialLength(tail, word))));
        return { type: "none" };
      }
      tail = tail.slice(next.at + next.word.length);
      if (next.word === grammar.open) break;
      quiet = !quiet;
    }
    const excess = tail.length;
    openCall();
    return { type: "opened", excess };
  };

  return { push: (text) => (call === undefined ? outside(text) : insideCall(call, text)) };
}
