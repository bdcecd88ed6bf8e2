/** The requests of one run: what of the conversation is sent and how results reach it, so that all of it fits into the window. */
import {
  findTooSmall,
  toAnswerTokens,
  toBudgets,
  toLargerWindow,
  toResultBytes,
  type Budgets,
} from "./budget.ts";
import type { RequestChanges } from "./call-review.ts";
import type { CompactionCause } from "./compaction.ts";
import { PrefixContract, selectMessages, type BrokenPrefix } from "./context.ts";
import type { Conversation } from "./conversation.ts";
import { AgentError } from "./errors.ts";
import type { AgentEvent } from "./events.ts";
import type { Message } from "./message.ts";
import type { ModelInfo, ModelReply, ModelRequest, ToolSchema } from "./model.ts";
import { ReplyTimer } from "./reply-timer.ts";
import type { ResultForm } from "./result.ts";
import type { RunEnd, RunOptions } from "./run-options.ts";
import { commonLength, TokenMeter, type Prompt, type TokenCount } from "./token-meter.ts";
import { isOwnRequest, newestTurnStart } from "./transcript.ts";

/** Before the server has counted anything, the estimate is high; a request is refused only when it is too long by this as well. */
const LIKELY_SHARE = 0.75;

export interface WindowParts {
  conversation: Conversation;
  info: ModelInfo;
  tools: readonly ToolSchema[];
  signal: AbortSignal;
  now: () => number;
}

export class ContextWindow {
  readonly #options: RunOptions;
  readonly #parts: WindowParts;
  readonly #meter: TokenMeter;
  readonly #prefix = new PrefixContract();
  readonly #timer: ReplyTimer;
  #sent: Prompt | undefined;
  /** Longest answer that the last request allowed; 0 where that was left to the server. */
  #askedTokens = 0;
  /** A compaction that came to too little is not tried again before the prompt is this long. */
  #retryAt = 0;
  /** The last reply was cut because the window left it too little. */
  #cramped = false;
  /** What is known to have changed what was sent before, and the tokens that have to be read again for it. */
  #break: { why: string; tokens: number } | undefined;

  constructor(options: RunOptions, parts: WindowParts) {
    this.#options = options;
    this.#parts = parts;
    this.#meter = options.meter ?? new TokenMeter();
    this.#timer = new ReplyTimer(this.#meter, parts.now);
  }

  /** Why this model cannot be worked with at all, or not with this request; `undefined` when it can. */
  refuse(request: Message | undefined): RunEnd | undefined {
    const { info, conversation } = this.#parts;
    if (this.#isExempt()) return undefined;
    const budgets = this.#budgets();
    const likely = this.#meter.calibrated ? budgets : this.#budgets(LIKELY_SHARE);
    const message = findTooSmall(info, likely);
    if (message !== undefined) return { reason: "overflow", message };
    if (request === undefined) return undefined;
    const alone = { messages: [...conversation.messages.slice(0, 1), request], tools: this.#parts.tools };
    const count = this.#meter.count(alone);
    return this.#isTooLong(count, budgets) ? this.#toOverflow(count, budgets, request) : undefined;
  }

  /** Makes room where the next request would not leave any. Returns how the run ends when that cannot be done. */
  async *prepare(turn: number): AsyncGenerator<AgentEvent, RunEnd | undefined> {
    if (this.#isExempt()) return undefined;
    const before = this.#count();
    const budgets = this.#budgets();
    const isDue = (before.tokens > budgets.compactAt || this.#cramped) && before.tokens >= this.#retryAt;
    this.#cramped = false;
    // What came to too little a turn ago may be enough now, and there is no later.
    if (isDue || this.#isTooLong(before, budgets)) {
      const done = yield* this.#compact("threshold", turn);
      this.#retryAt = done ? 0 : before.tokens + budgets.progressTokens;
    }
    const count = this.#count();
    return this.#isTooLong(count, budgets) ? this.#toOverflow(count, budgets) : undefined;
  }

  /** After a request that the server refused as too long. Throws the refusal, with advice, when nothing can be left out. */
  async *recover(error: AgentError, turn: number): AsyncGenerator<AgentEvent, void> {
    if (this.#isExempt()) throw error;
    const { info } = this.#parts;
    this.#meter.noteOverflow(this.#prompt(), error.data);
    const budgets = this.#budgets();
    const tooSmall = findTooSmall(info, budgets);
    if (tooSmall !== undefined) throw new AgentError("context_overflow", tooSmall, { data: error.data });
    const { tokens } = this.#count();
    const shorter = toAnswerTokens(budgets, tokens) ?? Number.POSITIVE_INFINITY;
    // Some servers count the answer that was asked for as well: with a shorter one the same prompt fits.
    if (tokens <= budgets.compactAt && shorter < this.#askedTokens) return;
    if (yield* this.#compact("overflow", turn)) return;
    if (budgets.windowTokens === undefined) throw error;
    const { message = "" } = this.#toOverflow(this.#count(), budgets);
    throw new AgentError("context_overflow", message, { cause: error, data: error.data });
  }

  /** Of the next request, as far as is known. */
  get counts(): Pick<
    Extract<AgentEvent, { type: "turn_started" }>,
    "promptTokens" | "newTokens" | "prefillSeconds"
  > {
    const { tokens, newTokens } = this.#count();
    const prefillSeconds = this.#meter.prefillSeconds(newTokens);
    return {
      promptTokens: tokens,
      newTokens,
      ...(prefillSeconds === undefined ? {} : { prefillSeconds }),
    };
  }

  /** The next request. */
  *next(changes: RequestChanges): Generator<AgentEvent, ModelRequest, undefined> {
    const prompt = this.#prompt();
    const count = this.#meter.count(prompt);
    const broken = this.#prefix.check(prompt.messages, prompt.tools);
    if (broken !== undefined) yield this.#toBroken(broken, count);
    this.#break = undefined;
    this.#sent = prompt;
    this.#meter.noteSent(prompt);
    this.#timer.start(count.newTokens);
    const { profile } = this.#parts.info;
    const maxTokens = profile.maxTokens ?? toAnswerTokens(this.#budgets(), count.tokens);
    this.#askedTokens = maxTokens ?? 0;
    return { ...this.#base(), ...prompt, ...(maxTokens === undefined ? {} : { maxTokens }), ...changes };
  }

  /** Learns from what comes back, and tells what the user has to know of it. */
  *note(event: AgentEvent): Generator<AgentEvent, void, undefined> {
    this.#timer.note(event);
    if (event.type !== "usage" || this.#sent === undefined) return;
    const before = this.#meter.windowTokens;
    this.#meter.note(this.#sent, event.usage);
    const { cutsPrompts, windowTokens } = this.#meter;
    if (!cutsPrompts || windowTokens === undefined || windowTokens === before || this.#isExempt()) return;
    const larger = toLargerWindow({ ...this.#parts.info, contextTokens: windowTokens });
    yield {
      type: "warning",
      code: "prompt_cut",
      message: `The server leaves out the beginning of long prompts and says nothing, so the model may have lost your task. From now on the conversation is kept within ${windowTokens} tokens. ${larger}`,
    };
  }

  /** A reply that was cut although the model was not allowed all that one may have: it is asked again with more room. */
  noteReply({ finish }: Pick<ModelReply, "finish">): void {
    const { answerTokens } = this.#budgets();
    this.#cramped = finish === "length" && answerTokens !== undefined && this.#askedTokens < answerTokens;
  }

  /** How the results of so many calls in one turn reach the model. */
  toResultForm(calls: number): ResultForm {
    const { profile } = this.#parts.info;
    return { maxBytes: toResultBytes(this.#budgets(), calls), fields: profile.resultFields };
  }

  /** A profile that sends the newest requests only has no history that could get too long. */
  #isExempt(): boolean {
    return this.#parts.info.profile.recentRequests !== undefined;
  }

  #budgets(share = 1): Budgets {
    const { info, tools, conversation } = this.#parts;
    const fixedTokens = this.#meter.toFixedTokens({ messages: conversation.messages, tools });
    return toBudgets({
      info,
      fixedTokens: Math.ceil(fixedTokens * share),
      bytesPerToken: this.#meter.bytesPerToken,
      compactAt: this.#options.compactAt,
      learnedWindowTokens: this.#meter.windowTokens,
    });
  }

  #prompt(): Prompt {
    const { conversation, info, tools } = this.#parts;
    return { messages: [...selectMessages(conversation.messages, info.profile)], tools };
  }

  #count(): TokenCount {
    return this.#meter.count(this.#prompt());
  }

  #base(): Omit<ModelRequest, "messages"> {
    const temperature = this.#parts.info.profile.temperature ?? this.#options.temperature;
    return {
      tools: this.#parts.tools,
      ...(temperature === undefined ? {} : { temperature }),
    };
  }

  async *#compact(cause: CompactionCause, turn: number): AsyncGenerator<AgentEvent, boolean> {
    const { conversation, signal } = this.#parts;
    const { model, outputs, stateNote } = this.#options;
    const before = conversation.messages;
    const { newTokens } = this.#count();
    const budgets = this.#budgets();
    const { compact } = await import("./compact.ts");
    const after = yield* compact({
      model,
      messages: before,
      request: this.#base(),
      meter: this.#meter,
      budgets,
      cause,
      leastTokens: budgets.progressTokens,
      outputs,
      stateNote,
      turn,
      signal,
    });
    if (after === undefined) return false;
    conversation.replace(after);
    const changed = this.#meter.toMessageTokens(after.slice(commonLength(before, after)));
    // In a new process, what came before the newest turn may still be what the server has read last.
    const isFirst = this.#sent === undefined;
    if (isFirst) this.#prefix.check(before, this.#parts.tools);
    const fresh = isFirst ? this.#meter.toMessageTokens(before.slice(newestTurnStart(before))) : newTokens;
    this.#break = { why: toBreak(cause), tokens: Math.max(0, changed - fresh) };
    return true;
  }

  #toBroken({ bytes, what }: BrokenPrefix, { newTokens }: TokenCount): AgentEvent {
    const { profile } = this.#parts.info;
    const tokens = this.#break?.tokens ?? newTokens;
    const seconds = this.#meter.prefillSeconds(tokens);
    const unplanned =
      what === "tools"
        ? "the tools are not those of the last request"
        : "messages that were sent before have changed";
    const why =
      profile.recentRequests === undefined
        ? (this.#break?.why ?? unplanned)
        : `the \`${profile.name}\` profile sends only the newest requests`;
    return { type: "prefix_broken", why, bytes, tokens, ...(seconds === undefined ? {} : { seconds }) };
  }

  #isTooLong({ tokens }: TokenCount, { longestPrompt }: Budgets): boolean {
    return (this.#meter.calibrated ? tokens : tokens * LIKELY_SHARE) > longestPrompt;
  }

  #toOverflow({ tokens }: TokenCount, budgets: Budgets, request?: Message): RunEnd {
    const { info, conversation } = this.#parts;
    const newest = request ?? conversation.messages.findLast(isOwnRequest);
    const size = newest === undefined ? 0 : this.#meter.toMessageTokens([newest]);
    const { windowTokens = tokens, fixedTokens, freeTokens } = budgets;
    const larger = toLargerWindow(info);
    if (size > freeTokens / 2)
      return {
        reason: "overflow",
        message: `Your message takes about ${size} tokens. The window of \`${info.id}\` has ${windowTokens}, of which instructions and tools take ${fixedTokens}. Put long text into a file of the workspace and name the file, or ask for less at a time. ${larger}`,
      };
    return {
      reason: "overflow",
      message: `The conversation takes about ${tokens} of the ${windowTokens} tokens of the window of \`${info.id}\`, and nothing more can be left out. Start a new session (\`/new\`), ask for less at a time, or use a larger window. ${larger}`,
    };
  }
}

function toBreak(cause: CompactionCause): string {
  return cause === "overflow"
    ? "the server refused the conversation as too long, so it was shortened"
    : "the conversation was shortened to make room";
}
