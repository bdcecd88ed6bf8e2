/**
 * Makes a conversation shorter: first old results become one line each, which needs no model; where that is not enough, older turns become
 * a record. What goes stays in the session log, and results that cannot be had again are saved to files before.
 */
import type { Budgets } from "./budget.ts";
import {
  applyCompaction,
  type CompactedPart,
  type Compaction,
  type CompactionCause,
  type CompactionMethod,
} from "./compaction.ts";
import { mapTexts, unescapeControlTokens } from "./control-tokens.ts";
import { applyElisions, chooseElisions, needsSaving, withoutOldThinking, type Elision } from "./elide.ts";
import type { AgentEvent } from "./events.ts";
import { findBoundary, toFoldedParts, toReplacedParts } from "./fold.ts";
import type { Message, ToolMessage } from "./message.ts";
import type { Model, ModelRequest } from "./model.ts";
import type { OutputLog } from "./output-log.ts";
import { toList, toRecordText } from "./record.ts";
import { toSummaryMessages, writeSummary } from "./summary.ts";
import type { TokenMeter } from "./token-meter.ts";
import { newestTurnStart, toCallRecords, type CallRecord } from "./transcript.ts";

export interface CompactOptions {
  model: Model;
  /** The whole conversation, the system message first. */
  messages: readonly Message[];
  /** Tools, temperature and slot as in every request. */
  request: Omit<ModelRequest, "messages" | "toolChoice">;
  meter: TokenMeter;
  budgets: Budgets;
  cause: CompactionCause;
  /** What the user wants to be kept above all; then a summary is written in any case. */
  focus?: string | undefined;
  /** Fewest tokens that have to go. */
  leastTokens: number;
  outputs?: OutputLog | undefined;
  stateNote?: (() => string) | undefined;
  turn: number;
  signal: AbortSignal;
}

/** A list made by rule may be longer than a summary: it knows less of what matters. */
const LIST_TO_SUMMARY = 1.5;

/** The conversation afterwards, told by `context_compacted`; `undefined` when too little can go, and then nothing has changed. */
export async function* compact(options: CompactOptions): AsyncGenerator<AgentEvent, Message[] | undefined> {
  const run = new CompactionRun(options);
  return yield* run.events();
}

class CompactionRun {
  readonly #options: CompactOptions;
  readonly #before: number;
  /** The conversation without old thinking, where that takes room. */
  readonly #thoughtless: readonly Message[];
  readonly #saved = new Map<number, string>();

  constructor(options: CompactOptions) {
    this.#options = options;
    const { meter, messages, request } = options;
    this.#before = meter.count({ messages, tools: request.tools }).tokens;
    this.#thoughtless = meter.countsThinking ? withoutOldThinking(messages) : messages;
  }

  async *events(): AsyncGenerator<AgentEvent, Message[] | undefined> {
    const { messages, meter, budgets, focus, cause } = this.#options;
    const elisions = chooseElisions(
      messages,
      meter.toBytes(this.#toTokens(this.#thoughtless) - budgets.compactTo),
    );
    const elided = this.#toElided(elisions);
    const after = this.#toTokens(elided);
    const isWish = focus !== undefined || (cause === "request" && this.#before <= budgets.compactTo);
    const enough = !isWish && after <= budgets.elideTo && this.#isProgress(after);
    const folded = enough ? undefined : yield* this.#fold(elisions);
    if (folded !== undefined) return folded;
    if (!this.#isProgress(after)) return undefined;
    for (const { record } of elisions) await this.#save(record);
    // With the real paths, which may be longer.
    const final = this.#toElided(elisions);
    if (!this.#isProgress(this.#toTokens(final))) return undefined;
    return yield* this.#finish("elided", toReplacedParts(messages, final));
  }

  async *#fold(elisions: readonly Elision[]): AsyncGenerator<AgentEvent, Message[] | undefined> {
    const { messages, meter, budgets, stateNote } = this.#options;
    const toTokens = (message: Message): number => meter.toMessageTokens([message]);
    const boundary = findBoundary(messages, { keepTokens: budgets.keepTokens, toTokens });
    if (boundary === undefined) return undefined;
    const state = stateNote?.() ?? "";
    // What would not pay is not asked for.
    const least = this.#toTokens(this.#apply(this.#toParts(boundary, toRecordText("", state))) ?? messages);
    if (!this.#isProgress(least + budgets.summaryTokens)) return undefined;
    const summary = yield* this.#summarise(boundary, elisions);
    const body = summary ?? (await this.#list(boundary));
    const parts = this.#toParts(boundary, toRecordText(body, state));
    const after = this.#apply(parts);
    if (after === undefined || !this.#isProgress(this.#toTokens(after))) return undefined;
    return yield* this.#finish(summary === undefined ? "folded" : "summarised", parts);
  }

  /** Short answers to earlier requests stay as long as there is room for them. */
  #toParts(boundary: number, record: string): CompactedPart[] {
    const { messages, budgets } = this.#options;
    const whole = toFoldedParts(messages, { boundary, record, answers: true });
    const after = this.#apply(whole);
    if (after !== undefined && this.#toTokens(after) <= budgets.elideTo) return whole;
    return toFoldedParts(messages, { boundary, record, answers: false });
  }

  async *#summarise(
    boundary: number,
    elisions: readonly Elision[],
  ): AsyncGenerator<AgentEvent, string | undefined> {
    const { model, request, messages, meter, budgets, focus, turn, signal } = this.#options;
    const { summaryTokens: maxTokens, windowTokens } = budgets;
    // All that the server has read but its last reply: whoever cannot go back far has to go back least, and knows best how things stand.
    const end = Math.max(boundary, newestTurnStart(messages));
    const uncut = messages.slice(0, end);
    const toRoom = (candidate: readonly Message[]): number => {
      const asking = toSummaryMessages(candidate, { maxTokens, focus });
      return (
        (windowTokens ?? Number.POSITIVE_INFINITY) -
        meter.count({ messages: asking, tools: request.tools }).tokens
      );
    };
    const asked = toRoom(uncut) >= maxTokens ? uncut : this.#toElided(elisions).slice(0, end);
    const room = toRoom(asked);
    if (room < maxTokens) return undefined;
    return yield* writeSummary({
      model,
      request,
      messages: asked,
      maxTokens,
      maxBytes: meter.toBytes(maxTokens),
      roomTokens: windowTokens === undefined ? undefined : room,
      focus,
      turn,
      signal,
    });
  }

  async #list(boundary: number): Promise<string> {
    const { messages, meter, budgets } = this.#options;
    const older = messages.slice(0, boundary);
    for (const record of toCallRecords(older)) await this.#save(record);
    const maxBytes = Math.floor(meter.toBytes(budgets.summaryTokens) * LIST_TO_SUMMARY);
    return toList(older, { maxBytes, paths: this.#saved });
  }

  *#finish(
    method: CompactionMethod,
    parts: readonly CompactedPart[],
  ): Generator<AgentEvent, Message[] | undefined, undefined> {
    const after = this.#apply(parts);
    if (after === undefined) return undefined;
    const compaction: Compaction = {
      cause: this.#options.cause,
      method,
      parts,
      tokensBefore: this.#before,
      tokensAfter: this.#toTokens(after),
    };
    yield { type: "context_compacted", ...compaction };
    return after;
  }

  #apply(parts: readonly CompactedPart[]): Message[] | undefined {
    return applyCompaction(this.#options.messages, parts);
  }

  #toElided(elisions: readonly Elision[]): Message[] {
    return applyElisions(this.#thoughtless, elisions, this.#saved);
  }

  /** Counted from what the server has counted: only what differs is estimated. */
  #toTokens(after: readonly Message[]): number {
    const { messages, meter } = this.#options;
    const [left, right] = [new Set(messages), new Set(after)];
    const gone = messages.filter((message) => !right.has(message));
    const come = after.filter((message) => !left.has(message));
    return Math.max(0, this.#before - meter.toMessageTokens(gone) + meter.toMessageTokens(come));
  }

  #isProgress(after: number): boolean {
    return this.#before - after >= this.#options.leastTokens;
  }

  async #save(record: CallRecord): Promise<void> {
    const { outputs, messages } = this.#options;
    if (outputs === undefined || this.#saved.has(record.at) || !needsSaving(record)) return;
    const file = outputs.open((messages[record.at] as ToolMessage).tool_call_id);
    await file.append(new TextEncoder().encode(toOriginal(record)));
    await file.close();
    if (file.complete) this.#saved.set(record.at, file.path);
  }
}

/** The result as the tool gave it: its output alone when there is nothing else of length in it. */
function toOriginal({ content, result }: CallRecord): string {
  if (result === undefined) return unescapeControlTokens(content);
  const plain = mapTexts(result, unescapeControlTokens);
  const { output, error, ...rest } = plain;
  const text = typeof output === "string" ? output : error;
  return typeof text === "string" && JSON.stringify(rest).length < 200
    ? text
    : JSON.stringify(plain, undefined, 1);
}
