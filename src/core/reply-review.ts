/** What follows from a reply without calls: the run ends with it, or the model is asked again. */
import { CompletionGuard, findOpenTodos } from "./completion.ts";
import { escapeControlTokens } from "./control-tokens.ts";
import { toInterruptedMessage, type Conversation } from "./conversation.ts";
import type { AgentEvent } from "./events.ts";
import { ReplyGuard, type Verdict } from "./guard.ts";
import type { ModelProfile } from "./model.ts";
import type { RunEnd, RunOptions } from "./run-options.ts";
import { toAssistantMessage, type TurnReply } from "./turn.ts";

type OpenWork = Pick<RunOptions, "completionGate" | "openBefore" | "stateNote">;

export class ReplyReview {
  readonly #guard: ReplyGuard;
  readonly #completion = new CompletionGuard();
  readonly #conversation: Conversation;
  readonly #work: OpenWork;

  constructor(conversation: Conversation, work: OpenWork = {}) {
    this.#conversation = conversation;
    this.#work = work;
    this.#guard = new ReplyGuard(() => work.completionGate?.() ?? findOpenTodos(work.stateNote?.() ?? ""));
  }

  /** The model was stopped for repeating itself within a reply, and has taken no step since. */
  get repeating(): boolean {
    return this.#guard.repeating;
  }

  /** A turn with a usable call was taken. */
  noteProgress(): void {
    this.#guard.noteProgress();
    this.#completion.noteProgress();
  }

  /** Returns how the run ends, or nothing when it goes on. */
  *review(reply: TurnReply, profile: ModelProfile): Generator<AgentEvent, RunEnd | undefined, undefined> {
    const verdict = forProfile(this.#checkDone(this.#guard.judge(reply, reply.stopped)), profile);
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

  /** An answer is the end only when nothing is open. */
  #checkDone(verdict: Verdict): Verdict {
    if (verdict.kind !== "end" || verdict.reason !== "done") return verdict;
    const open = this.#work.completionGate?.();
    if (open === undefined) return verdict;
    // Where nothing of it has got on since, the user may have asked for something else.
    const aside = open === this.#work.openBefore;
    if (!this.#completion.refuse(open, { aside })) return { kind: "end", reason: "blocked", message: open };
    return {
      kind: "nudge",
      code: "completion_refused",
      message: `The model wanted to be done, but: ${open}`,
      nudge: toNudge(escapeControlTokens(open), aside),
      reason: "blocked",
      end: open,
    };
  }
}

/** `aside`: the request may be about something else, and nobody is to take up work that was not asked for. */
function toNudge(open: string, aside: boolean): string {
  return aside
    ? `From before, this is still open. ${open}\nGo on with it only if the user's last message asks for it; else repeat your answer.`
    : `You are not done yet. ${open}\nIf you cannot go on, answer with BLOCKED: and the reason.`;
}

/** A model that is sent the newest requests only would take a hint for that request. */
function forProfile(verdict: Verdict, { recentRequests }: ModelProfile): Verdict {
  if (verdict.kind !== "nudge" || recentRequests === undefined) return verdict;
  const { reason, message, end = message } = verdict;
  return { kind: "end", reason, ...(reason === "done" ? {} : { message: end }) };
}
