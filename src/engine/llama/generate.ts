/**
 * One generation on one slot: evaluate what the slot does not hold yet in slices, then sample; a grammar decides which tokens may
 * come where one rules.
 */
import type { LlamaModel, LlamaSlot, Token } from "./llama.ts";
import type { TokenSource } from "./llama-slot.ts";
import type { GenerateEvent, GenerateRequest, StopReason, Timings } from "../protocol.ts";
import { createReplyWriter } from "./reply-writer.ts";
import type { Written } from "./reply-writer.ts";
import type { Drafter } from "./speculation.ts";

export interface GenerateOptions {
  model: Pick<LlamaModel, "facts" | "bytesOf" | "tokenizePiece">;
  slot: LlamaSlot;
  tokens: readonly Token[];
  request: GenerateRequest;
  sliceTokens: number;
  /** Looked at after every slice and every token. */
  signal: AbortSignal;
  /** Time that it waited for its slot. */
  queuedMs?: number;
  drafter?: Drafter;
}

/** Yields progress and text, and `done` last; a cancelled generation is `done` as well. */
export async function* generate(options: GenerateOptions): AsyncGenerator<GenerateEvent, void, void> {
  const { slot, tokens, signal, queuedMs } = options;
  const startedAt = performance.now();
  const cachedTokens = yield* prefill(options, startedAt);
  const timings: Timings = {
    promptTokens: tokens.length,
    cachedTokens,
    promptMs: 0,
    completionTokens: 0,
    completionMs: 0,
    ...(queuedMs === undefined ? {} : { queuedMs }),
  };
  let firstAt: number | undefined;
  const onToken = (): void => {
    firstAt ??= performance.now();
    timings.completionTokens += 1;
  };
  const ending: Ending = signal.aborted
    ? { reason: "cancelled" }
    : yield* answer(options, { onToken, timings });
  const endedAt = performance.now();
  timings.promptMs = (firstAt ?? endedAt) - startedAt;
  timings.completionMs = endedAt - (firstAt ?? endedAt);
  yield { type: "done", slot: slot.index, timings, ...ending };
}

/** Leaves the last slice to sampling, which evaluates it on its way. Returns how many tokens were there already. */
async function* prefill(
  { slot, tokens, sliceTokens, signal }: GenerateOptions,
  startedAt: number,
): AsyncGenerator<GenerateEvent, number, void> {
  const total = tokens.length;
  await slot.keep(Math.min(slot.prefixLength(tokens), total - 1));
  // Read back: models with a recurrent state cannot go back to just any token.
  const cached = slot.length;
  const progress = (processed: number): GenerateEvent => ({
    type: "progress",
    processed,
    total,
    cached,
    elapsedMs: Math.round(performance.now() - startedAt),
  });
  yield progress(cached);
  while (total - slot.length > sliceTokens && !signal.aborted) {
    await slot.evaluate(tokens.slice(slot.length, slot.length + sliceTokens));
    yield progress(slot.length);
  }
  return cached;
}

interface Ending {
  reason: StopReason;
  stopString?: string;
}

async function* answer(
  options: GenerateOptions,
  { onToken, timings }: { onToken: () => void; timings: Timings },
): AsyncGenerator<GenerateEvent, Ending, void> {
  const { slot, tokens, request, drafter } = options;
  const { sampling, logprobs } = request;
  if (request.maxTokens === 0) {
    await slot.evaluate(tokens.slice(slot.length));
    return { reason: "length" };
  }
  const source = slot.startSampling({
    sampling,
    history: tokens,
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(drafter === undefined ? {} : { drafter }),
  });
  try {
    return yield* sample(source, { ...options, onToken });
  } finally {
    await source.end();
    if (drafter !== undefined) {
      timings.draftedTokens = source.drafted;
      timings.acceptedTokens = source.accepted;
    }
  }
}

async function* sample(
  source: TokenSource,
  options: GenerateOptions & { onToken: () => void },
): AsyncGenerator<GenerateEvent, Ending, void> {
  const { model, slot, request, signal, onToken } = options;
  const writer = createReplyWriter(request, model);
  const room = model.facts.contextTokens - options.tokens.length;
  const limit = Math.min(request.maxTokens ?? room, room);
  if (writer.grammar !== undefined) source.useGrammar(writer.grammar);
  let tokens = options.tokens.slice(slot.length);
  for (let count = 1; ; count += 1) {
    const sampled = await source.next(tokens);
    if (count === 1) await slot.remember();
    if (sampled === undefined) break;
    onToken();
    const { stopped, grammar, ...written } = writer.push(sampled);
    yield* asText(written);
    if (stopped !== undefined) return stopped;
    if (signal.aborted || count >= limit) {
      yield* asText(writer.flush());
      return { reason: signal.aborted ? "cancelled" : "length" };
    }
    tokens = [...(written.tokens ?? [sampled.token])];
    if (grammar !== undefined) source.useGrammar(grammar.gbnf);
  }
  yield* asText(writer.flush());
  return { reason: "end" };
}

function* asText({ text, logprobs }: Written): Generator<GenerateEvent, void, void> {
  if (text === "" && logprobs === undefined) return;
  yield { type: "text", text, ...(logprobs === undefined ? {} : { logprobs }) };
}
