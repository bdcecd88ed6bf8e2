/** Frames of a streamed `/completion` as the events of a generation. */
import { createCallWatch } from "../llama/call-watch.ts";
import { engineFailed } from "../engine-failure.ts";
import type {
  GenerateEvent,
  GenerateRequest,
  StopReason,
  Timings,
  TokenChance,
  TokenLogprob,
} from "../protocol.ts";
import { toFields, toIntegers, toItems, toNumber, toText } from "./fields.ts";
import type { Fields } from "./fields.ts";
import { refusalToError } from "./refusal.ts";

export interface CompletionOptions {
  baseUrl: string;
  /** Which slot it was is in the last frame; this is for a server that does not say it. */
  request: GenerateRequest;
  promptTokens: number;
  queuedMs: number;
}

/** Progress and text, and `done` last. Throws what the server says went wrong, and `crashed` when it stops without a word. */
export async function* toEvents(
  frames: AsyncGenerator<unknown, void, void>,
  options: CompletionOptions,
): AsyncGenerator<GenerateEvent, void, void> {
  const { request, baseUrl } = options;
  const calls = request.grammar?.calls;
  const watch = calls?.single === true ? createCallWatch(calls, request.grammar?.thinking) : undefined;
  let callClosed = false;
  // Tokens whose text is held back, as the beginning of a stop string may be.
  let pending: TokenLogprob[] = [];
  for await (const json of frames) {
    const frame = toFields(json);
    if (frame["error"] !== undefined) throw refusalToError(baseUrl, 500, frame);
    const progress = toProgress(toFields(frame["prompt_progress"]));
    if (progress !== undefined) {
      yield progress;
      continue;
    }
    pending.push(...toLogprobs(frame["completion_probabilities"], request.logprobs ?? 0));
    const text = toText(frame["content"]) ?? "";
    if (text !== "") {
      if (watch?.push(text).type === "closed") callClosed = true;
      yield { type: "text", text, ...(request.logprobs === undefined ? {} : { logprobs: pending }) };
      pending = [];
    }
    if (frame["stop"] === true) {
      yield toDone(frame, callClosed, options);
      return;
    }
  }
  throw engineFailed(
    "crashed",
    `The llama-server at \`${baseUrl}\` ended its answer before it was complete.`,
  );
}

function toProgress(progress: Fields): GenerateEvent | undefined {
  const processed = toNumber(progress["processed"]);
  const total = toNumber(progress["total"]);
  if (processed === undefined || total === undefined) return undefined;
  const cached = toNumber(progress["cache"]) ?? 0;
  return {
    type: "progress",
    processed: Math.max(processed, cached),
    total,
    cached,
    elapsedMs: Math.round(toNumber(progress["time_ms"]) ?? 0),
  };
}

function toDone(frame: Fields, callClosed: boolean, options: CompletionOptions): GenerateEvent {
  const stopType = toText(frame["stop_type"]);
  const stopString = toText(frame["stopping_word"]);
  const reason = toReason(stopType, callClosed);
  return {
    type: "done",
    reason,
    slot: toNumber(frame["id_slot"]) ?? options.request.slot ?? 0,
    timings: toTimings(frame, stopType, options),
    ...(reason === "stop_string" && stopString !== undefined ? { stopString } : {}),
  };
}

function toReason(stopType: string | undefined, callClosed: boolean): StopReason {
  switch (stopType) {
    case "word":
      return "stop_string";
    case "limit":
      return "length";
    default:
      return callClosed ? "call_complete" : "end";
  }
}

function toTimings(
  frame: Fields,
  stopType: string | undefined,
  { promptTokens, queuedMs }: CompletionOptions,
): Timings {
  const timings = toFields(frame["timings"]);
  const predicted = toNumber(timings["predicted_n"]) ?? toNumber(frame["tokens_predicted"]) ?? 0;
  const drafted = toNumber(timings["draft_n"]);
  return {
    promptTokens: toNumber(frame["tokens_evaluated"]) ?? promptTokens,
    cachedTokens: toNumber(timings["cache_n"]) ?? 0,
    promptMs: toNumber(timings["prompt_ms"]) ?? 0,
    // The token that ends a reply is no part of it.
    completionTokens: Math.max(0, predicted - (stopType === "eos" ? 1 : 0)),
    completionMs: toNumber(timings["predicted_ms"]) ?? 0,
    queuedMs,
    ...(drafted === undefined
      ? {}
      : { draftedTokens: drafted, acceptedTokens: toNumber(timings["draft_n_accepted"]) ?? 0 }),
  };
}

function toLogprobs(value: unknown, alternatives: number): TokenLogprob[] {
  return toItems(value).map((item) => {
    const fields = toFields(item);
    const top = toItems(fields["top_logprobs"]).slice(0, alternatives);
    return { ...toChance(fields), top: top.map((each) => toChance(toFields(each))) };
  });
}

function toChance(fields: Fields): TokenChance {
  return {
    token: toText(fields["token"]) ?? "",
    // What cannot be is `null` in JSON.
    logprob: toNumber(fields["logprob"]) ?? -9999,
    bytes: toIntegers(fields["bytes"]),
  };
}
