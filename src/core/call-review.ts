/** What follows from the outcomes of calls: nothing usable again and again, or the same thing again and again. */
import { CallMemory } from "./call-memory.ts";
import type { CallOutcome } from "./call-options.ts";
import { escapeControlTokens } from "./control-tokens.ts";
import type { Conversation } from "./conversation.ts";
import type { AgentEvent } from "./events.ts";
import { LoopDetector, type LoopFinding, type LoopStage } from "./loop-detector.ts";
import type { ModelProfile, ModelReply, ModelRequest } from "./model.ts";
import { observeCall, type ObservedCall } from "./observed-call.ts";
import { NO_REDACTION, type Redactor } from "./redact.ts";
import type { RunEnd } from "./run-options.ts";

const SECOND_CHANCE_AFTER = 2;
const MAX_UNUSABLE_TURNS = 5;
const MAX_CUT_TURNS = 3;

/** What the next request asks for beside the conversation. */
export type RequestChanges = Pick<ModelRequest, "toolChoice" | "temperature" | "thinkingTokens">;

export interface CallVerdict {
  /** A step was taken: a call could be used, and it was not one more of the same. */
  progress: boolean;
  /** How the run ends; absent when it goes on. */
  end?: RunEnd | undefined;
}

export class CallReview {
  /** For the calls of this run. */
  readonly memory = new CallMemory();
  readonly #loops = new LoopDetector();
  readonly #conversation: Conversation;
  readonly #redactor: Redactor;
  readonly #denied: string[] = [];
  #toolCalls = 0;
  #unusableTurns = 0;
  #cutTurns = 0;
  #unattended = false;
  #stage: LoopStage = 0;
  #stuck = false;

  constructor(
    conversation: Conversation,
    { redactor = NO_REDACTION }: { redactor?: Redactor | undefined } = {},
  ) {
    this.#conversation = conversation;
    this.#redactor = redactor;
  }

  get toolCalls(): number {
    return this.#toolCalls;
  }

  /** Calls that were refused, by name. */
  get denied(): readonly string[] {
    return this.#denied;
  }

  /** A call was refused because nobody was there to allow it. */
  get unattended(): boolean {
    return this.#unattended;
  }

  /** The model goes in circles although it was told so, and its last turn was no step out of them. */
  get stuck(): boolean {
    return this.#stuck;
  }

  nextRequest(): RequestChanges {
    return this.#unusableTurns >= SECOND_CHANCE_AFTER ? { toolChoice: "required" } : {};
  }

  /** The user has spoken during the run: what was seen may be changed, and what was a circle may be wanted. */
  noteRequest(): void {
    this.memory.forget();
    this.#loops.reset();
    this.#stage = 0;
    this.#stuck = false;
  }

  /** Results are no longer where the model could look them up. */
  noteCompaction(): void {
    this.memory.forget();
    this.#loops.noteCompaction();
  }

  *review(
    outcomes: readonly CallOutcome[],
    { reply, profile }: { reply: ModelReply; profile: ModelProfile },
  ): Generator<AgentEvent, CallVerdict, undefined> {
    this.#toolCalls += outcomes.length;
    for (const { call, denied } of outcomes) {
      if (denied === undefined) continue;
      this.#denied.push(call.name);
      this.#unattended ||= denied === "unattended";
    }
    if (reply.finish === "length") return { progress: false, end: yield* this.#noteCut(outcomes, profile) };
    if (outcomes.every(({ unusable }) => unusable))
      return { progress: false, end: yield* this.#noteUnusable(outcomes, profile) };
    this.#unusableTurns = 0;
    // A model that is sent the newest requests only makes nothing of an answer from memory.
    if (profile.recentRequests !== undefined) this.memory.forget();
    const calls = outcomes.map(toObserved);
    const finding = this.#loops.note({ calls, text: reply.text });
    if (!finding.stale) this.#cutTurns = 0;
    const recalled = calls.filter((_, index) => outcomes[index]?.recalled !== undefined);
    return { progress: !finding.stale, end: yield* this.#escalate(finding, { recalled, profile }) };
  }

  *#noteCut(
    outcomes: readonly CallOutcome[],
    { recentRequests }: ModelProfile,
  ): Generator<AgentEvent, RunEnd | undefined, undefined> {
    this.#cutTurns += 1;
    const names = [...new Set(outcomes.map(({ call }) => `\`${call.name}\``))].join(", ");
    const message = `The call of ${names} was cut off at the length limit and did not run.`;
    const most = recentRequests === undefined ? MAX_CUT_TURNS : 1;
    if (this.#cutTurns >= most) return { reason: "truncated", message };
    yield { type: "warning", code: "reply_truncated", message };
    return undefined;
  }

  *#noteUnusable(
    outcomes: readonly CallOutcome[],
    profile: ModelProfile,
  ): Generator<AgentEvent, RunEnd | undefined, undefined> {
    this.#unusableTurns += 1;
    const last = outcomes.at(-1)?.result;
    const problem = last && !last.ok ? last.error : "";
    yield { type: "warning", code: "call_unusable", message: problem };
    // What went wrong in words helps no model that knows only its training sentences.
    const most = profile.recentRequests === undefined ? MAX_UNUSABLE_TURNS : 1;
    if (this.#unusableTurns < most) return undefined;
    return {
      reason: "error",
      message: `The model made no usable tool call (${most} turns). Last problem: ${problem}`,
    };
  }

  /** Each stage once: first words, then other sampling too, then the end. A step that is new starts all over. */
  *#escalate(
    finding: LoopFinding,
    { recalled, profile }: { recalled: readonly ObservedCall[]; profile: ModelProfile },
  ): Generator<AgentEvent, RunEnd | undefined, undefined> {
    const what = this.#redactor.text(finding.what);
    if (finding.stage === 3)
      return { reason: "loop", message: `The model repeats itself: ${what}. ${LOOP_ADVICE}` };
    const rises = finding.stage > this.#stage;
    this.#stage = finding.stage;
    this.#stuck = finding.stage === 2 && !finding.stepped;
    if (rises)
      yield {
        type: "warning",
        code: "loop_suspected",
        message: `The model repeats itself: ${what}.${STEPS[finding.stage]}`,
      };
    else if (recalled.length > 0)
      yield { type: "warning", code: "loop_suspected", message: this.#describeRecalled(recalled) };
    // The answer from memory has said so already, and a model that is sent the newest requests only would take it for that.
    if (!rises || (finding.stage === 1 && recalled.length > 0) || profile.recentRequests !== undefined)
      return undefined;
    yield* this.#conversation.nudge(
      `You repeat yourself: ${escapeControlTokens(what)}. ${NUDGES[finding.stage]}`,
    );
    return undefined;
  }

  #describeRecalled(recalled: readonly ObservedCall[]): string {
    const labels = this.#redactor.text([...new Set(recalled.map(({ label }) => label))].join(", "));
    return `Answered from memory, since nothing has changed: ${labels}.`;
  }
}

const LOOP_ADVICE =
  "Tell it what to do differently, or give it a smaller step; the session goes on with your next message (`--continue`).";
const STEPS: Readonly<Record<0 | 1 | 2, string>> = {
  0: "",
  1: " It is told so.",
  2: " It is told once more, and its next answers are drawn more freely.",
};
const NUDGES: Readonly<Record<0 | 1 | 2, string>> = {
  0: "",
  1: "Nothing new comes of it. Take another way, or answer now.",
  2: "Stop this. Use what you know: do the next step in another way, or give your answer now. If you cannot go on, answer with BLOCKED: and the reason.",
};

function toObserved({ call, result, access, recalled }: CallOutcome): ObservedCall {
  return observeCall(call, { result, access: access ?? "unknown", signature: recalled });
}
