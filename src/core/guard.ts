/**
 * Decides what a reply without a usable call means. A run is done when the model answers without calling a tool; this finds the
 * answers that only look like one. Every retry is bounded, and running out of retries is an end reason of its own.
 */
import { escapeControlTokens } from "./control-tokens.ts";
import type { EndReason, WarningCode } from "./events.ts";
import type { ModelReply } from "./model.ts";
import { promisesAction } from "./promise.ts";
import type { StopCode } from "./reply-watch.ts";

export type Verdict =
  | { kind: "end"; reason: EndReason; message?: string }
  /** Ask again with the very same request. */
  | { kind: "again"; code: WarningCode; message: string }
  /** Keep what came, say what was wrong, and go on. `reason` is how the run ends with a model that cannot take a hint, `end` what is said then (default: `message`). */
  | { kind: "nudge"; code: WarningCode; message: string; nudge: string; reason: EndReason; end?: string };

const MAX_EMPTY = 3;
const MAX_TRUNCATED = 3;
const MAX_PROMISED = 1;
const MAX_CUT = 3;

const MAX_STOPPED = 3;

export class ReplyGuard {
  /** What is still to be done, for a model that announces steps only. */
  readonly #findOpen: () => string | undefined;
  #empty = 0;
  #truncated = 0;
  #promised = 0;
  #cut = 0;
  #stopped = 0;
  #repeating = false;

  constructor(findOpen: () => string | undefined = () => undefined) {
    this.#findOpen = findOpen;
  }

  /** The model was stopped for writing the same again and again, and has taken no step since. */
  get repeating(): boolean {
    return this.#repeating;
  }

  /** A turn with a usable call clears the counters of turns that came to nothing. */
  noteProgress(): void {
    this.#empty = 0;
    this.#truncated = 0;
    this.#promised = 0;
    this.#cut = 0;
    this.#stopped = 0;
    this.#repeating = false;
  }

  judge(reply: ModelReply, stopped?: StopCode): Verdict {
    if (stopped !== undefined) return this.#judgeStopped(reply, stopped);
    if (reply.finish === "cut") return this.#judgeCut(reply);
    if (reply.finish === "content_filter") {
      return { kind: "end", reason: "error", message: "The server's content filter stopped the reply." };
    }
    if (reply.finish === "length") return this.#judgeTruncated(reply);
    if (reply.text.trim() === "") return this.#judgeEmpty(reply);
    const blocked = /^\W{0,3}BLOCKED:[*_\s]*(.*)/s.exec(reply.text.trim());
    if (blocked) return { kind: "end", reason: "blocked", message: blocked[1] ?? "" };
    if (promisesAction(reply.text) && this.#promised < MAX_PROMISED) return this.#judgePromise();
    if (promisesAction(reply.text) && /[:：…]$|\.\.\.$/.test(reply.text.trim())) {
      const message = "The model keeps announcing the next step without taking it.";
      return { kind: "end", reason: "empty", message };
    }
    // Asked once and still in words: then it is an answer.
    return { kind: "end", reason: "done" };
  }

  #judgeCut({ failure }: ModelReply): Verdict {
    this.#cut += 1;
    const message =
      failure === undefined
        ? "The connection to the model ended in the middle of a reply."
        : `The model server broke off in the middle of a reply: ${failure}`;
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

  #judgeStopped(reply: ModelReply, code: StopCode): Verdict {
    this.#stopped += 1;
    this.#repeating ||= code === "text_repeated";
    const message =
      code === "text_repeated"
        ? "The model wrote the same again and again and was stopped."
        : "The model thought for longer than its budget for one turn and was stopped.";
    if (this.#stopped >= MAX_STOPPED) return { kind: "end", reason: "truncated", message };
    const act = "Call the next tool now, or give your answer in a few words.";
    const nudge =
      code === "text_repeated"
        ? `You wrote the same again and again and were stopped. Do not repeat it. ${act}`
        : `You have thought long enough and were stopped. Do not start over. ${act}`;
    return {
      kind: "nudge",
      code,
      message,
      nudge:
        reply.thinking === ""
          ? nudge
          : `${nudge} Your last thoughts were:\n${escapeControlTokens(reply.thinking)}`,
      reason: "truncated",
    };
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
    const open = this.#findOpen();
    const ask = "You announced a step but called no tool. If you meant to take it, call the tool now.";
    return {
      kind: "nudge",
      code: "promised_action",
      message: "The model announced a step and did not take it.",
      reason: "done",
      nudge:
        open === undefined
          ? `${ask} If you wait for the user or are finished, say so.`
          : `${ask} Still open:\n${escapeControlTokens(open)}`,
    };
  }
}
