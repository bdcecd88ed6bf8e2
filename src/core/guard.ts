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
    this.#cut = 0;
  }

  judge(reply: ModelReply): Verdict {
    if (reply.finish === "cut") return this.#judgeCut();
    if (reply.finish === "length") return this.#judgeTruncated(reply);
    if (reply.text.trim() === "") return this.#judgeEmpty(reply);
    const blocked = /^\W{0,3}BLOCKED:\s*(.*)/s.exec(reply.text.trim());
    if (blocked) return { kind: "end", reason: "blocked", message: blocked[1] ?? "" };
    if (promisesAction(reply.text) && this.#promised < MAX_PROMISED) return this.#judgePromise();
    if (promisesAction(reply.text)) {
      return {
        kind: "end",
        reason: "empty",
        message: "The model keeps announcing the next step without taking it.",
      };
    }
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
        "You announced a step but called no tool. Call the tool now, or say in words that the task is finished.",
    };
  }
}

const ACTION =
  "(?:read|write|create|add|edit|update|change|modify|fix|run|execute|check|look|open|list|search|find|start|begin|proceed|continue|use|call|make|install|test|inspect|examine|explore|implement|delete|remove|rename|move|copy|view|see|get|do|try|verify|apply|save|commit)";
const PROMISE = new RegExp(
  `\\b(?:i(?:'|’)?ll|i will|i am going to|i(?:'|’)m going to|let me|let(?:'|’)s|now i(?:'|’)ll|i need to|i should)\\s+(?:now\\s+|first\\s+|next\\s+|then\\s+|just\\s+|quickly\\s+|also\\s+|start by\\s+|begin by\\s+)*${ACTION}(?:ing)?\\b`,
  "i",
);

/** Whether the last sentence announces an action that should have been a call: "I'll run the tests now:". */
export function promisesAction(text: string): boolean {
  const lines = text.trim().split("\n");
  const last = lines.at(-1)?.trim() ?? "";
  if (last.endsWith("```") || last.startsWith("|")) return false;
  const sentence = last.split(/(?<=[.!?])\s+/).at(-1) ?? last;
  if (/\?["')\]]*$/.test(sentence)) return false;
  if (/\b(?:if you|when you|once you|let me know|whenever you|unless you)\b/i.test(sentence)) return false;
  return PROMISE.test(sentence);
}
