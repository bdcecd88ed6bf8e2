/**
 * The agent loop, and the only one: one-shot runs, the screen, sub-agents, schedules and the edge all run it. It holds no state between
 * runs; everything that happens comes out as an event, in an order that ARCHITECTURE.md shows. The consumer sets the pace: an event
 * that has been written down before the next one is asked for is never lost.
 */
import { UNATTENDED_ADVICE } from "./approval.ts";
import type { CallOutcome } from "./call-options.ts";
import { CallReview, type RequestChanges } from "./call-review.ts";
import { runCalls } from "./calls.ts";
import { offeredTools, selectMessages, toToolSchemas } from "./context.ts";
import { Conversation, toInterruptedMessage } from "./conversation.ts";
import { refuseCutCalls } from "./cut-calls.ts";
import { AgentError, errorMessage } from "./errors.ts";
import type { AgentEvent } from "./events.ts";
import { messageBytes } from "./message-size.ts";
import type { UserMessage } from "./message.ts";
import type { ModelInfo, ModelProfile, ModelReply } from "./model.ts";
import { PLAN_PROPOSE, PLAN_UNATTENDED_ADVICE } from "./plan-mode.ts";
import { ReplyReview } from "./reply-review.ts";
import { ReplyWatch } from "./reply-watch.ts";
import {
  DEFAULT_LIMITS,
  type RunEnd,
  type RunLimits,
  type RunOptions,
  type RunResult,
} from "./run-options.ts";
import { raiseTemperature } from "./sampling.ts";
import { thinkingBudget } from "./thinking-budget.ts";
import type { Tool } from "./tool.ts";
import { toNaming, type Naming } from "./naming.ts";
import { takeTurn, toAssistantMessage, type TurnReply } from "./turn.ts";
import { ContextWindow } from "./window.ts";

/** Timers take 31 bits; a longer limit is none. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** A request of this length may be too long for the smallest window. */
const LONG_REQUEST_BYTES = 2_000;

/** Never throws: what goes wrong is the `reason` of `run_finished`, which is always the last event. */
export async function* run(options: RunOptions): AsyncGenerator<AgentEvent, RunResult> {
  const loop = new Run(options);
  return yield* loop.events();
}

class Run {
  readonly #options: RunOptions;
  readonly #limits: RunLimits;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #deadline: AbortSignal | undefined;
  /** Aborted when nobody listens any more: then nothing may go on unseen. */
  readonly #left = new AbortController();
  readonly #signal: AbortSignal;
  readonly #conversation: Conversation;
  readonly #replies: ReplyReview;
  readonly #calls: CallReview;
  #profile: ModelProfile = { name: "default" };
  #thinkingTokens = 0;
  #shown = "";
  #turn = 0;
  #rescued = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#now = options.now ?? (() => Date.now());
    this.#startedAt = this.#now();
    const { timeMs } = this.#limits;
    this.#deadline =
      timeMs < LONGEST_TIMER_MS ? AbortSignal.timeout(Math.max(0, Math.round(timeMs))) : undefined;
    this.#signal = AbortSignal.any(
      [options.signal, this.#deadline, this.#left.signal].filter((signal) => signal !== undefined),
    );
    this.#conversation = new Conversation(options.messages);
    this.#replies = new ReplyReview(this.#conversation, options);
    this.#calls = new CallReview(this.#conversation, options);
  }

  async *events(): AsyncGenerator<AgentEvent, RunResult> {
    const { runId = "run", sessionId, mode } = this.#options;
    yield { type: "run_started", runId, ...(sessionId === undefined ? {} : { sessionId }), mode: mode() };
    let end: RunEnd;
    try {
      end = yield* this.#work();
    } catch (error) {
      end = this.#toEnd(error);
      // What the user has seen belongs to the conversation, marked as what it is.
      if (this.#shown.trim() !== "") yield* this.#conversation.add(toInterruptedMessage(this.#shown));
    } finally {
      this.#left.abort();
    }
    if (end.reason === "done" && this.#calls.unattended) end = this.#toDenied(end);
    yield this.#finish(end);
    const { reason, text } = end;
    return { reason, ...(text === undefined ? {} : { text }), messages: this.#conversation.added };
  }

  async *#work(): AsyncGenerator<AgentEvent, RunEnd> {
    const { model, input, inbox } = this.#options;
    const conversation = this.#conversation;
    const request: UserMessage | undefined =
      input === undefined ? undefined : { role: "user", content: input };
    // What may not fit joins the conversation only when it does: there it would stay for ever.
    const isLong = request !== undefined && messageBytes(request) > LONG_REQUEST_BYTES;
    if (request !== undefined && !isLong) yield* conversation.addRequest(request);
    const info = await model.describe({ signal: this.#signal });
    yield { type: "model_ready", model: info };
    this.#profile = info.profile;
    this.#thinkingTokens = thinkingBudget(info);
    const tools = offeredTools(this.#options.tools, info.profile);
    const window = this.#openWindow(info, tools);
    const refused = window.refuse(request);
    if (refused !== undefined) return refused;
    if (request !== undefined && isLong) yield* conversation.addRequest(request);
    for (;;) {
      const end = (yield* this.#takeTurn(window, tools)) ?? this.#checkLimits();
      if (end !== undefined && end.reason !== "done") return end;
      const steered = inbox?.takeSteering() ?? [];
      if (steered.length > 0) this.#noteRequest();
      for (const message of steered) yield* conversation.add(message, "steering");
      if (end === undefined || steered.length > 0) continue;
      const followUp = inbox?.takeFollowUp();
      if (followUp === undefined) return end;
      this.#noteRequest();
      yield* conversation.add(followUp, "follow_up");
    }
  }

  /** One turn: a request, its reply, its calls. Returns how the run ends, or nothing when it goes on. */
  async *#takeTurn(
    window: ContextWindow,
    tools: readonly Tool[],
  ): AsyncGenerator<AgentEvent, RunEnd | undefined> {
    this.#turn += 1;
    const turn = this.#turn;
    const overflow = yield* this.#compacting(window.prepare(turn));
    if (overflow !== undefined) return overflow;
    yield { type: "turn_started", turn, ...window.counts };
    const reply = refuseCutCalls(yield* this.#ask(window, turn), tools);
    for (const call of reply.calls) {
      if (call.rescued === undefined) continue;
      this.#rescued += 1;
      yield {
        type: "warning",
        code: "call_rescued",
        message: `The call of \`${call.name}\` came as ${call.rescued} and was recovered.`,
      };
    }
    if (reply.calls.length === 0 || reply.finish === "cut") {
      yield { type: "turn_finished", turn, finish: reply.finish, calls: 0 };
      return yield* this.#replies.review(reply, this.#profile);
    }
    yield* this.#conversation.add(toAssistantMessage(reply));
    const outcomes = yield* this.#runCalls(reply, tools, window);
    yield { type: "turn_finished", turn, finish: reply.finish, calls: reply.calls.length };
    this.#signal.throwIfAborted();
    const { progress, end } = yield* this.#calls.review(outcomes, { reply, profile: this.#profile });
    if (progress) this.#replies.noteProgress();
    return end;
  }

  /** With the user's word a new count begins. */
  #noteRequest(): void {
    this.#calls.noteRequest();
    this.#replies.noteProgress();
  }

  /** A model that is stuck is asked in another way, until it takes a step. */
  #changes(): RequestChanges {
    const temperature = this.#profile.temperature ?? this.#options.temperature;
    const stuck = this.#calls.stuck || this.#replies.repeating;
    return {
      ...this.#calls.nextRequest(),
      thinkingTokens: this.#thinkingTokens,
      ...(stuck ? { temperature: raiseTemperature(temperature) } : {}),
    };
  }

  #openWindow(info: ModelInfo, tools: readonly Tool[]): ContextWindow {
    return new ContextWindow(this.#options, {
      conversation: this.#conversation,
      info,
      tools: toToolSchemas(tools),
      signal: this.#signal,
      now: this.#now,
    });
  }

  /** Sends the request, and once more, shortened, when the server refuses it as too long. */
  async *#ask(window: ContextWindow, turn: number): AsyncGenerator<AgentEvent, TurnReply> {
    for (let retried = false; ; retried = true) {
      const request = yield* window.next(this.#changes());
      const watch = new ReplyWatch({ thinkingTokens: this.#thinkingTokens });
      const taken = takeTurn(this.#options.model, request, { turn, signal: this.#signal, watch });
      try {
        const reply = yield* this.#listen(taken, window);
        window.noteReply(reply);
        return reply;
      } catch (error) {
        if (retried || !AgentError.is(error, "context_overflow")) throw error;
        yield* this.#compacting(window.recover(error, turn));
      }
    }
  }

  async *#compacting<Result>(events: AsyncGenerator<AgentEvent, Result>): AsyncGenerator<AgentEvent, Result> {
    try {
      for (;;) {
        const { done, value } = await events.next();
        if (done) return value;
        if (value.type === "context_compacted") this.#calls.noteCompaction();
        yield value;
      }
    } finally {
      await events.return(undefined as never);
    }
  }

  /** Keeps the text of the reply under way, for when it never ends. */
  async *#listen(
    events: AsyncGenerator<AgentEvent, TurnReply>,
    window: ContextWindow,
  ): AsyncGenerator<AgentEvent, TurnReply> {
    try {
      for (;;) {
        const { done, value } = await events.next();
        if (done) {
          this.#shown = "";
          return value;
        }
        if (value.type === "text_delta") this.#shown += value.text;
        yield value;
        yield* window.note(value);
      }
    } finally {
      await events.return(undefined as never);
    }
  }

  async *#runCalls(
    reply: ModelReply,
    tools: readonly Tool[],
    window: ContextWindow,
  ): AsyncGenerator<AgentEvent, CallOutcome[]> {
    const { mode, approver, policy, audit, redactor, changes, sessionId } = this.#options;
    const events = runCalls(reply.calls, {
      tools,
      mode,
      approver,
      policy,
      audit,
      redactor,
      changes,
      sessionId,
      turn: this.#turn,
      memory: this.#calls.memory,
      results: window.toResultForm(reply.calls.length),
      naming: this.#profile.namedPathsOnly ? this.#toNaming() : undefined,
      signal: this.#signal,
      now: this.#now,
    });
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      if (value.type === "message_added") this.#conversation.take(value.message);
      yield value;
    }
  }

  #toNaming(): Naming {
    return toNaming(selectMessages(this.#conversation.messages, this.#profile));
  }

  #checkLimits(): RunEnd | undefined {
    const { turns, toolCalls } = this.#limits;
    if (this.#turn >= turns)
      return {
        reason: "turn_limit",
        message: `The limit of ${turns} turns was reached. Continue with \`--continue\`.`,
      };
    if (this.#calls.toolCalls >= toolCalls)
      return { reason: "turn_limit", message: `The limit of ${toolCalls} tool calls was reached.` };
    return undefined;
  }

  #toEnd(error: unknown): RunEnd {
    if (this.#deadline?.aborted && !this.#options.signal?.aborted) {
      return {
        reason: "time_limit",
        message: `The limit of ${this.#limits.timeMs / 1000} s was reached. Continue with \`--continue\`.`,
      };
    }
    if (this.#options.signal?.aborted) return { reason: "aborted", message: "Interrupted." };
    if (AgentError.is(error, "model_unavailable"))
      return { reason: "model_unavailable", message: error.message };
    if (AgentError.is(error, "context_overflow")) return { reason: "overflow", message: error.message };
    if (AgentError.is(error)) return { reason: "error", message: error.message };
    return { reason: "error", message: `Internal error: ${errorMessage(error)}` };
  }

  /** An answer after a call that nobody could allow is not the success that was asked for. */
  #toDenied(end: RunEnd): RunEnd {
    const names = [...new Set(this.#calls.denied)];
    const advice = names.includes(PLAN_PROPOSE) ? PLAN_UNATTENDED_ADVICE : UNATTENDED_ADVICE;
    return {
      ...end,
      reason: "denied",
      message: `Nobody could be asked to allow: ${names.join(", ")}. ${advice}`,
    };
  }

  #finish(end: RunEnd): AgentEvent {
    return {
      type: "run_finished",
      reason: end.reason,
      ...(end.message === undefined ? {} : { message: end.message }),
      ...(end.text === undefined ? {} : { text: end.text }),
      turns: this.#turn,
      toolCalls: this.#calls.toolCalls,
      durationMs: this.#now() - this.#startedAt,
      denied: this.#calls.denied,
      rescued: this.#rescued,
    };
  }
}
