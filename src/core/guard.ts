/**
 * Decides what a reply without a usable call means. A run is done when the model answers without calling a tool; this finds the
 * answers that only look like one. Every retry is bounded, and running out of retries is an end reason of its own.
 */
import type { EndReason, WarningCode } from "./events.ts";
import type { ModelReply } from "./model.ts";

export type Verdict =
  | { kind: "end"; reason: EndReason; message?: string }
  /** Ask again with the very same request. */
  | { kind: "again"; code: WarningCode; message: string }
  /** Keep what came, say what was wrong, and go on. `reason` is how the run ends with a model that cannot take a hint. */
  | { kind: "nudge"; code: WarningCode; message: string; nudge: string; reason: EndReason };

const MAX_EMPTY = 3;
const MAX_TRUNCATED = 3;
const MAX_PROMISED = 2;
const MAX_CUT = 3;

export class ReplyGuard {
  #empty = 0;
  #truncated = 0;
  #promised = 0;
  #cut = 0;

  /** A turn with a usable call clears the counters of turns that came to nothing. */
  noteProgress(): void {
    this.#empty = 0;
    this.#truncated = 0;
    this.#promised = 0;
    this.#cut = 0;
  }

  judge(reply: ModelReply): Verdict {
    if (reply.finish === "cut") return this.#judgeCut();
    if (reply.finish === "content_filter") {
      return { kind: "end", reason: "error", message: "The server's content filter stopped the reply." };
    }
    if (reply.finish === "length") return this.#judgeTruncated(reply);
    if (reply.text.trim() === "") return this.#judgeEmpty(reply);
    const blocked = /^\W{0,3}BLOCKED:\s*(.*)/s.exec(reply.text.trim());
    if (blocked) return { kind: "end", reason: "blocked", message: blocked[1] ?? "" };
    if (promisesAction(reply.text) && this.#promised < MAX_PROMISED) return this.#judgePromise();
    if (promisesAction(reply.text) && /[:：…]$|\.\.\.$/.test(reply.text.trim())) {
      const message = "The model keeps announcing the next step without taking it.";
      return { kind: "end", reason: "empty", message };
    }
    // Asked twice and still in words: then it is an answer.
    return { kind: "end", reason: "done" };
  }

  #judgeCut(): Verdict {
    this.#cut += 1;
    const message = "The connection to the model ended in the middle of a reply.";
    if (this.#cut >= MAX_CUT) return { kind: "end", reason: "model_unavailable", message };
    return { kind: "again", code: "reply_cut", message };
  }

  #judgeTruncated(reply: ModelReply): Verdict {
    this.#truncated += 1;
    const onlyThought = reply.text.trim() === "" && reply.thinking.trim() !== "";
    const message = onlyThought
      ? "The model used the whole reply for thinking."
      : "The reply was cut off at the length limit.";
    if (this.#truncated >= MAX_TRUNCATED) return { kind: "end", reason: "truncated", message };
    const nudge = onlyThought
      ? "You ran out of room while thinking. Think less: call the next tool or answer now."
      : "Your reply was cut off at the length limit. Go on from there in smaller steps: write long files in parts.";
    return { kind: "nudge", code: "reply_truncated", message, nudge, reason: "truncated" };
  }

  #judgeEmpty(reply: ModelReply): Verdict {
    this.#empty += 1;
    const onlyThought = reply.thinking.trim() !== "";
    const code = onlyThought ? "thinking_only" : "empty_reply";
    const message = onlyThought
      ? "The model only thought and did not answer."
      : "The model gave an empty answer.";
    if (this.#empty >= MAX_EMPTY) return { kind: "end", reason: "empty", message };
    if (this.#empty === 1) return { kind: "again", code, message };
    return {
      kind: "nudge",
      code,
      message,
      reason: "empty",
      nudge: "Your answer was empty. Call the next tool, or give your answer in words.",
    };
  }

  #judgePromise(): Verdict {
    this.#promised += 1;
    return {
      kind: "nudge",
      code: "promised_action",
      message: "The model announced a step and did not take it.",
      reason: "done",
      nudge:
        "You announced a step but called no tool. If you meant to take it, call the tool now. If you wait for the user or are finished, say so.",
    };
  }
}

const VERBS =
  "read|writ|creat|add|edit|updat|chang|modif|fix|run|runn|execut|check|double-check|look|open|list|search|find|start|begin|proceed|continu|call|mak|install|test|inspect|examin|explor|implement|delet|remov|renam|mov|copy|view|verif|apply|sav|commit|tak|analyz|analys|investigat|review|go through|set up";
const INTENT =
  "i(?:'|’)?ll|i will|i am going to|i(?:'|’)m going to|let me|let(?:'|’)s|now i(?:'|’)ll|allow me to|i(?:'|’)m(?: now)?|i am(?: now)?";
const FILLER = "now|first|next|then|just|quickly|also|start by|begin by|go ahead and";
const PROMISE = new RegExp(
  `\\b(?:${INTENT})\\s+(?:(?:${FILLER})\\s+)*(?:${VERBS})(?:e|y|ie|ing|ning|ting)?\\b`,
  "i",
);
/** "Running the tests now...": begun in words only. */
const UNDER_WAY = new RegExp(
  `^(?:now |ok(?:ay)?,? |sure[,!.]? |first,? )*(?:(?:${VERBS})(?:n|t)?ing\\b.*(?:\\bnow\\b.{0,3}|\\.\\.\\.|…)|(?:calling|using|invoking) (?:the )?\\S+ tool\\.?)$`,
  "i",
);
const WAIT =
  /^(?:(?:just )?(?:one|a) (?:moment|second|sec|minute)|please (?:wait|hold)|hold on|stand by|bear with me|give me a)/i;
/** Conditions, habits and words that leave the next move to the user are no announcements of the next step. */
const NOT_NOW =
  /\b(?:if you|when you|once|as soon as|after you|let me know|whenever|unless|from now on|in (?:the )?future|next time|tomorrow|later|going forward|always|never|please (?:confirm|tell|provide|choose|say|answer|reply|give|send)|confirm|say the word|tell me|provide|approve|permission)\b/i;
/** Code and closings end in a colon as well: `else:`, `def f():`. */
const CODE_LIKE = /[(){}=;<>]|^\S+:$|^\s*(?:def|class|if|else|elif|for|while|try|except|case|with)\b/;
const FEWEST_WORDS = 3;

/** Whether a reply announces an action that should have been a call: "I'll run the tests now:". */
export function promisesAction(text: string): boolean {
  const plain = withoutLastFence(text.trim());
  const paragraphs = plain.split(/\n\s*\n/);
  const last = plain.split("\n").at(-1)?.trim() ?? "";
  if (isShown(last, paragraphs.at(-2))) return false;
  if (/[:：]$/.test(last)) return endsInMidAir(last);
  const sentences = last.replace(/"[^"]*"|“[^”]*”|`[^`]*`/g, "_").split(/(?<=[.!?…])\s+/);
  const end = sentences.at(-1) ?? last;
  const sentence = WAIT.test(end) ? (sentences.at(-2) ?? paragraphs.at(-2) ?? end) : end;
  if (last.includes("?") || NOT_NOW.test(last)) return false;
  return PROMISE.test(sentence) || UNDER_WAY.test(sentence);
}

/** Lists, quotations, tables, code, and what stands under a line such as "It says:" are what the user asked for. */
function isShown(last: string, before: string | undefined): boolean {
  if (/^(?:[-*+>|]|\d+[.)])\s?/.test(last) || last.endsWith("```")) return true;
  return before !== undefined && /[:：]$/.test(before.trim()) && !PROMISE.test(before);
}

/** Nothing follows what was announced, in whatever language. */
function endsInMidAir(last: string): boolean {
  return !CODE_LIKE.test(last) && (last.split(/\s+/).length >= FEWEST_WORDS || /\P{ASCII}{6}/u.test(last));
}

/** "I'll run this now:" and then only the command in a code block: the block is no answer either. */
function withoutLastFence(text: string): string {
  const fence = /^([^]*\S)\s*\n```[^\n]*\n[^]*\n?```$/.exec(text);
  const before = fence?.[1]?.split("\n").at(-1) ?? "";
  return PROMISE.test(before) && !NOT_NOW.test(before) ? (fence?.[1] ?? text) : text;
}
