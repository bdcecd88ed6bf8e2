/**
 * The agent loop, and the only one: one-shot runs, the screen, sub-agents, schedules and the edge all run it. It holds no state between
 * runs; everything that happens comes out as an event, in an order that ARCHITECTURE.md shows. The consumer sets the pace: an event
 * that has been written down before the next one is asked for is never lost.
 */
import { UNATTENDED_ADVICE, type Approver, type PermissionMode } from "./approval.ts";
import type { Audit } from "./audit.ts";
import type { CallOutcome } from "./call-options.ts";
import { runCalls } from "./calls.ts";
import { offeredTools, PrefixContract, toResultForm, selectMessages, toToolSchemas } from "./context.ts";
import { AgentError, errorMessage } from "./errors.ts";
import type { AgentEvent, EndReason } from "./events.ts";
import { ReplyGuard } from "./guard.ts";
import type { Inbox } from "./inbox.ts";
import type { ChangeRecorder } from "./checkpoint.ts";
import type { OutputLog } from "./output-log.ts";
import type { TokenMeter } from "./token-meter.ts";
import { messageText, type Message, type UserMessage } from "./message.ts";
import type { Model, ModelInfo, ModelProfile, ModelReply, ModelRequest, ToolSchema } from "./model.ts";
import type { PermissionPolicy } from "./permission.ts";
import type { Redactor } from "./redact.ts";
import type { ResultForm } from "./result.ts";
import { RepetitionGuard } from "./repetition.ts";
import type { Tool } from "./tool.ts";
import { takeTurn, toAssistantMessage } from "./turn.ts";

export interface RunLimits {
  /** Requests to the model. */
  turns: number;
  timeMs: number;
  toolCalls: number;
}

export const DEFAULT_LIMITS: RunLimits = { turns: 500, timeMs: Number.POSITIVE_INFINITY, toolCalls: 2_000 };

export interface RunOptions {
  model: Model;
  tools: readonly Tool[];
  /** The conversation so far, the one system message first. It is not changed; what joins it comes as `message_added`. */
  messages: readonly Message[];
  /** The new request; absent to go on where the conversation stands. */
  input?: UserMessage["content"];
  /** Asked before every call, since the user may change it while a run is going. */
  mode: () => PermissionMode;
  approver: Approver;
  /** Default: the matrix of the modes alone. */
  policy?: PermissionPolicy;
  audit?: Audit;
  /** Takes known secrets out of what calls say, before anything of it becomes an event or a message. */
  redactor?: Redactor;
  inbox?: Inbox;
  limits?: Partial<RunLimits>;
  temperature?: number;
  /** KV slot of the server to stay on. */
  slot?: number;
  /** Where originals go that a compaction leaves out; absent: they are only in the session log. */
  outputs?: OutputLog;
  /** Compact at so many tokens of prompt, or earlier where the window is smaller (`SUMMARIZATION_THRESHOLD`). */
  compactAt?: number;
  /** Learns bytes per token and rates from the server's counts; keep one per conversation. Default: a new one. */
  meter?: TokenMeter;
  /** Records files before they are changed, for undo. */
  changes?: ChangeRecorder;
  /** Todos, plan and task state as they are now, word for word, for what a compaction leaves; empty when there are none. */
  stateNote?: () => string;
  /** What is still open according to plan or task state, in words for the model; absent or `undefined`: nothing. */
  completionGate?: () => string | undefined;
  runId?: string;
  sessionId?: string;
  signal?: AbortSignal;
  now?: () => number;
}

export interface RunResult {
  reason: EndReason;
  text?: string;
  /** What joined the conversation, in order. */
  messages: readonly Message[];
}

/** Timers take 31 bits; a longer limit is none. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const SECOND_CHANCE_AFTER = 2;
const MAX_UNUSABLE_TURNS = 5;

/** Never throws: what goes wrong is the `reason` of `run_finished`, which is always the last event. */
export async function* run(options: RunOptions): AsyncGenerator<AgentEvent, RunResult> {
  const loop = new Run(options);
  return yield* loop.events();
}

interface End {
  reason: EndReason;
  message?: string;
  text?: string;
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
  readonly #messages: Message[];
  readonly #prefix = new PrefixContract();
  readonly #replies = new ReplyGuard();
  readonly #repetitions = new RepetitionGuard();
  readonly #denied: string[] = [];
  #profile: ModelProfile = { name: "default" };
  #shown = "";
  #turn = 0;
  #toolCalls = 0;
  #rescued = 0;
  #unusableTurns = 0;
  #unattended = false;
  #repeating = false;

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
    this.#messages = [...options.messages];
  }

  async *events(): AsyncGenerator<AgentEvent, RunResult> {
    const { runId = "run", sessionId, mode } = this.#options;
    yield { type: "run_started", runId, ...(sessionId === undefined ? {} : { sessionId }), mode: mode() };
    let end: End;
    try {
      end = yield* this.#work();
    } catch (error) {
      end = this.#toEnd(error);
      // What the user has seen belongs to the conversation, marked as what it is.
      if (this.#shown.trim() !== "") yield* this.#add(toInterruptedMessage(this.#shown));
    } finally {
      this.#left.abort();
    }
    if (end.reason === "done" && this.#unattended) end = this.#toDenied(end);
    yield this.#finish(end);
    return {
      reason: end.reason,
      ...(end.text === undefined ? {} : { text: end.text }),
      messages: this.#messages.slice(this.#options.messages.length),
    };
  }

  async *#work(): AsyncGenerator<AgentEvent, End> {
    const { model, input, inbox } = this.#options;
    if (input !== undefined) yield* this.#addRequest({ role: "user", content: input });
    const info = await model.describe({ signal: this.#signal });
    yield { type: "model_ready", model: info };
    this.#profile = info.profile;
    const tools = offeredTools(this.#options.tools, info.profile);
    const schemas = toToolSchemas(tools);
    for (;;) {
      const end = (yield* this.#takeTurn(info, schemas, tools)) ?? this.#checkLimits();
      if (end !== undefined && end.reason !== "done") return end;
      const steered = inbox?.takeSteering() ?? [];
      for (const message of steered) yield* this.#add(message, "steering");
      if (end === undefined || steered.length > 0) continue;
      const followUp = inbox?.takeFollowUp();
      if (followUp === undefined) return end;
      yield* this.#add(followUp, "follow_up");
    }
  }

  /** One turn: a request, its reply, its calls. Returns how the run ends, or nothing when it goes on. */
  async *#takeTurn(
    info: ModelInfo,
    schemas: readonly ToolSchema[],
    tools: readonly Tool[],
  ): AsyncGenerator<AgentEvent, End | undefined> {
    this.#turn += 1;
    const turn = this.#turn;
    yield { type: "turn_started", turn };
    const request = this.#toRequest(info, schemas);
    const brokenBytes = this.#prefix.check(request.messages, request.tools);
    if (brokenBytes > 0)
      yield {
        type: "prefix_broken",
        why: `the \`${info.profile.name}\` profile sends only the newest request`,
        bytes: brokenBytes,
      };
    const reply = yield* this.#listen(takeTurn(this.#options.model, request, { turn, signal: this.#signal }));
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
      return yield* this.#judge(reply);
    }
    yield* this.#add(toAssistantMessage(reply));
    const outcomes = yield* this.#runCalls(reply, tools, toResultForm(info));
    yield { type: "turn_finished", turn, finish: reply.finish, calls: reply.calls.length };
    return yield* this.#review(outcomes);
  }

  #toRequest(info: ModelInfo, tools: readonly ToolSchema[]): ModelRequest {
    const temperature = info.profile.temperature ?? this.#options.temperature;
    return {
      messages: [...selectMessages(this.#messages, info.profile)],
      tools,
      ...(temperature === undefined ? {} : { temperature }),
      ...(info.profile.maxTokens === undefined ? {} : { maxTokens: info.profile.maxTokens }),
      ...(this.#options.slot === undefined ? {} : { slot: this.#options.slot }),
      ...(this.#unusableTurns >= SECOND_CHANCE_AFTER ? { toolChoice: "required" as const } : {}),
    };
  }

  /** Keeps the text of the reply under way, for when it never ends. */
  async *#listen(events: AsyncGenerator<AgentEvent, ModelReply>): AsyncGenerator<AgentEvent, ModelReply> {
    try {
      for (;;) {
        const { done, value } = await events.next();
        if (done) {
          this.#shown = "";
          return value;
        }
        if (value.type === "text_delta") this.#shown += value.text;
        yield value;
      }
    } finally {
      await events.return(undefined as never);
    }
  }

  async *#judge(reply: ModelReply): AsyncGenerator<AgentEvent, End | undefined> {
    let verdict = this.#replies.judge(reply);
    // A model that is sent the newest request only would take a hint for that request.
    if (verdict.kind === "nudge" && this.#profile.recentRequests !== undefined) {
      const { reason, message } = verdict;
      verdict = { kind: "end", reason, ...(reason === "done" ? {} : { message }) };
    }
    if (verdict.kind === "end") {
      const cut = reply.finish === "cut";
      if (reply.text.trim() !== "")
        yield* this.#add(cut ? toInterruptedMessage(reply.text) : toAssistantMessage(reply));
      return { ...verdict, ...(reply.text === "" ? {} : { text: reply.text }) };
    }
    yield { type: "warning", code: verdict.code, message: verdict.message };
    if (verdict.kind === "nudge") {
      yield* this.#add(
        reply.text === "" ? { role: "assistant", content: "(no answer)" } : toAssistantMessage(reply),
      );
      yield* this.#add({ role: "user", content: verdict.nudge }, "nudge");
    }
    return undefined;
  }

  async *#runCalls(
    reply: ModelReply,
    tools: readonly Tool[],
    results: ResultForm,
  ): AsyncGenerator<AgentEvent, CallOutcome[]> {
    const { mode, approver, policy, audit, redactor, sessionId } = this.#options;
    const events = runCalls(reply.calls, {
      tools,
      mode,
      approver,
      policy,
      audit,
      redactor,
      sessionId,
      turn: this.#turn,
      results,
      request: this.#profile.namedPathsOnly ? this.#newestRequest() : undefined,
      signal: this.#signal,
      now: this.#now,
    });
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      if (value.type === "message_added") this.#messages.push(value.message);
      yield value;
    }
  }

  #newestRequest(): string {
    const request = this.#messages.findLast(({ role }) => role === "user");
    return request === undefined ? "" : messageText(request);
  }

  /** Looks at what the calls came to: nothing usable again and again, or the same thing again and again. */
  async *#review(outcomes: readonly CallOutcome[]): AsyncGenerator<AgentEvent, End | undefined> {
    this.#signal.throwIfAborted();
    this.#toolCalls += outcomes.length;
    for (const { call, denied } of outcomes) {
      if (denied === undefined) continue;
      this.#denied.push(call.name);
      this.#unattended ||= denied === "unattended";
    }
    if (outcomes.every(({ unusable }) => unusable)) return yield* this.#noteUnusable(outcomes);
    this.#unusableTurns = 0;
    this.#replies.noteProgress();
    return yield* this.#noteRepetition(outcomes);
  }

  async *#noteUnusable(outcomes: readonly CallOutcome[]): AsyncGenerator<AgentEvent, End | undefined> {
    this.#unusableTurns += 1;
    const last = outcomes.at(-1)?.result;
    const problem = last && !last.ok ? last.error : "";
    yield { type: "warning", code: "call_unusable", message: problem };
    // What went wrong in words helps no model that knows only its training sentences.
    const most = this.#profile.recentRequests === undefined ? MAX_UNUSABLE_TURNS : 1;
    if (this.#unusableTurns < most) return undefined;
    return {
      reason: "error",
      message: `The model made no usable tool call (${most} turns). Last problem: ${problem}`,
    };
  }

  async *#noteRepetition(outcomes: readonly CallOutcome[]): AsyncGenerator<AgentEvent, End | undefined> {
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
    const nudge =
      "You have made the same calls with the same results several times. Do something else, or answer now.";
    yield* this.#add({ role: "user", content: nudge }, "nudge");
    return undefined;
  }

  #checkLimits(): End | undefined {
    const { turns, toolCalls } = this.#limits;
    if (this.#turn >= turns)
      return {
        reason: "turn_limit",
        message: `The limit of ${turns} turns was reached. Continue with \`--continue\`.`,
      };
    if (this.#toolCalls >= toolCalls)
      return { reason: "turn_limit", message: `The limit of ${toolCalls} tool calls was reached.` };
    return undefined;
  }

  /** Two requests in a row are refused by templates that want turns to alternate. */
  async *#addRequest(message: UserMessage): AsyncGenerator<AgentEvent> {
    if (this.#messages.at(-1)?.role === "user")
      yield* this.#add({ role: "assistant", content: "(interrupted)" });
    yield* this.#add(message);
  }

  async *#add(message: Message, note?: "steering" | "follow_up" | "nudge"): AsyncGenerator<AgentEvent> {
    this.#messages.push(message);
    yield { type: "message_added", message, ...(note === undefined ? {} : { note }) };
  }

  #toEnd(error: unknown): End {
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
  #toDenied(end: End): End {
    const names = [...new Set(this.#denied)].join(", ");
    return {
      ...end,
      reason: "denied",
      message: `Nobody could be asked to allow: ${names}. ${UNATTENDED_ADVICE}`,
    };
  }

  #finish(end: End): AgentEvent {
    return {
      type: "run_finished",
      reason: end.reason,
      ...(end.message === undefined ? {} : { message: end.message }),
      ...(end.text === undefined ? {} : { text: end.text }),
      turns: this.#turn,
      toolCalls: this.#toolCalls,
      durationMs: this.#now() - this.#startedAt,
      denied: this.#denied,
      rescued: this.#rescued,
    };
  }
}

function toInterruptedMessage(text: string): Message {
  return { role: "assistant", content: `${text.trimEnd()}\n(interrupted)` };
}
