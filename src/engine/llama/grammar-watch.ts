/** Says which grammar rules a reply at first, and when another one takes over: at calls, and where thinking begins and ends. */
import { createCallWatch } from "./call-watch.ts";
import type { WatchStep } from "./call-watch.ts";
import type { ReplyGrammar } from "../protocol.ts";
import { partialLength } from "../stop-scanner.ts";

export interface GrammarStep {
  /** Rules from here on; `undefined`: nothing does. */
  gbnf: string | undefined;
  /** Characters of the text that lie behind the place where it takes over, and are to be written anew. */
  excess: number;
  /** A call is complete. */
  callClosed: boolean;
}

export interface GrammarWatch {
  readonly start: string | undefined;
  push(text: string): GrammarStep | undefined;
}

export function createGrammarWatch({ answer, calls, thinking }: ReplyGrammar): GrammarWatch {
  if (answer !== undefined) return watchAnswer(answer, thinking);
  if (calls === undefined) return { start: undefined, push: () => undefined };
  const watch = createCallWatch(calls, thinking);
  const toStep = (step: WatchStep): GrammarStep | undefined => {
    if (step.type === "none") return undefined;
    if (step.type === "closed") return { gbnf: undefined, excess: 0, callClosed: true };
    return { gbnf: calls.afterOpen, excess: step.excess, callClosed: false };
  };
  return { start: calls.fromStart, push: (text) => toStep(watch.push(text)) };
}

type Thinking = NonNullable<ReplyGrammar["thinking"]>;

function watchAnswer(answer: string, thinking: Thinking | undefined): GrammarWatch {
  if (thinking === undefined) return { start: answer, push: () => undefined };
  let state: "start" | "thinking" | "answer" = thinking.startsInside ? "thinking" : "start";
  let tail = "";

  const open = (): GrammarStep | undefined => {
    if (tail.startsWith(thinking.open)) {
      state = "thinking";
      tail = tail.slice(thinking.open.length);
      return close() ?? { gbnf: undefined, excess: 0, callClosed: false };
    }
    if (!thinking.open.startsWith(tail)) state = "answer";
    return undefined;
  };
  const close = (): GrammarStep | undefined => {
    const at = tail.indexOf(thinking.close);
    if (at < 0) {
      tail = tail.slice(tail.length - partialLength(tail, thinking.close));
      return undefined;
    }
    state = "answer";
    return { gbnf: answer, excess: tail.length - at - thinking.close.length, callClosed: false };
  };
  return {
    start: thinking.startsInside ? undefined : orThinking(answer, thinking.open),
    push: (text) => {
      if (state === "answer") return undefined;
      tail += text;
      return state === "thinking" ? close() : open();
    },
  };
}

/** The answer, or the tag that opens thinking and then anything. */
export function orThinking(answer: string, open: string): string {
  const renamed = answer.replace(GBNF_WORD, (word) => (word === "root" ? "root-of-answer" : word));
  const tag = JSON.stringify(open);
  return `root ::= root-of-answer | ${tag} anything-at-all\nanything-at-all ::= [^\\x00]*\n${renamed}`;
}

/** Strings, classes and comments are passed over whole, so that `root` in them stays. */
const GBNF_WORD = /"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*|[A-Za-z0-9-]+/g;
