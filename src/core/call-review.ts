/** What follows from the outcomes of calls: nothing usable again and again, or the same thing again and again. */
import type { CallOutcome } from "./call-options.ts";
import type { Conversation } from "./conversation.ts";
import type { AgentEvent } from "./events.ts";
import type { ModelProfile, ModelRequest } from "./model.ts";
import { RepetitionGuard } from "./repetition.ts";
import type { RunEnd } from "./run-options.ts";

const SECOND_CHANCE_AFTER = 2;
const MAX_UNUSABLE_TURNS = 5;

/** What the next request asks for beside the conversation. */
export type RequestChanges = Pick<ModelRequest, "toolChoice" | "temperature" | "thinkingTokens">;

export class CallReview {
  readonly #repetitions = new RepetitionGuard();
  readonly #conversation: Conversation;
  readonly #denied: string[] = [];
  #toolCalls = 0;
  #unusableTurns = 0;
  #unattended = false;
  #repeating = false;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
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

  nextRequest(): RequestChanges {
    return this.#unusableTurns >= SECOND_CHANCE_AFTER ? { toolChoice: "required" } : {};
  }

  /** `usable`: a call could be used. `end`: how the run ends, absent when it goes on. */
  *review(
    outcomes: readonly CallOutcome[],
    profile: ModelProfile,
  ): Generator<AgentEvent, { usable: boolean; end?: RunEnd | undefined }, undefined> {
    this.#toolCalls += outcomes.length;
    for (const { call, denied } of outcomes) {
      if (denied === undefined) continue;
      this.#denied.push(call.name);
      this.#unattended ||= denied === "unattended";
    }
    if (outcomes.every(({ unusable }) => unusable))
      return { usable: false, end: yield* this.#noteUnusable(outcomes, profile) };
    this.#unusableTurns = 0;
    return { usable: true, end: yield* this.#noteRepetition(outcomes) };
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

  *#noteRepetition(outcomes: readonly CallOutcome[]): Generator<AgentEvent, RunEnd | undefined, undefined> {
    const signature = JSON.stringify(outcomes.map(({ call, result }) => [call.name, call.arguments, result]));
    const repetition = this.#repetitions.note(signature);
    if (repetition === "certain")
      return { reason: "loop", message: "The model repeats the same calls with the same results." };
    if (repetition === "none") this.#repeating = false;
    if (repetition !== "suspected" || this.#repeating) return undefined;
    this.#repeating = true;
    yield {
      type: "warning",
      code: "loop_suspected",
      message: "The model repeats the same calls with the same results.",
    };
    yield* this.#conversation.nudge(
      "You have made the same calls with the same results several times. Do something else, or answer now.",
    );
    return undefined;
  }
}
