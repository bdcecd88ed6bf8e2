/** What follows from a reply without calls: the run ends with it, or the model is asked again. */
import { toInterruptedMessage, type Conversation } from "./conversation.ts";
import type { AgentEvent } from "./events.ts";
import { ReplyGuard, type Verdict } from "./guard.ts";
import type { ModelProfile, ModelReply } from "./model.ts";
import type { RunEnd } from "./run-options.ts";
import { toAssistantMessage } from "./turn.ts";

export class ReplyReview {
  readonly #guard = new ReplyGuard();
  readonly #conversation: Conversation;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  /** A turn with a usable call was taken. */
  noteProgress(): void {
    this.#guard.noteProgress();
  }

  /** Returns how the run ends, or nothing when it goes on. */
  *review(reply: ModelReply, profile: ModelProfile): Generator<AgentEvent, RunEnd | undefined, undefined> {
    const verdict = forProfile(this.#guard.judge(reply), profile);
    if (verdict.kind === "end") {
      const { kind: _, ...end } = verdict;
      const cut = reply.finish === "cut";
      if (reply.text.trim() !== "")
        yield* this.#conversation.add(cut ? toInterruptedMessage(reply.text) : toAssistantMessage(reply));
      return { ...end, ...(reply.text === "" ? {} : { text: reply.text }) };
    }
    yield { type: "warning", code: verdict.code, message: verdict.message };
    if (verdict.kind === "nudge") {
      yield* this.#conversation.add(
        reply.text === ""
          ? { role: "assistant", content: "(no answer)", note: "nudge" }
          : toAssistantMessage(reply),
      );
      yield* this.#conversation.nudge(verdict.nudge);
    }
    return undefined;
  }
}

/** A model that is sent the newest request only would take a hint for that request. */
function forProfile(verdict: Verdict, { recentRequests }: ModelProfile): Verdict {
  if (verdict.kind !== "nudge" || recentRequests === undefined) return verdict;
  const { reason, message } = verdict;
  return { kind: "end", reason, ...(reason === "done" ? {} : { message }) };
}
