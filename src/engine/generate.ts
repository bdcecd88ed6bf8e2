/**
 * One generation on one slot: check that the prompt fits, evaluate what the slot does not hold yet in slices, then sample; inside
 * a tool call a grammar decides which tokens may come.
 */
import { createCallWatch } from "./call-watch.ts";
import type { CallWatch, WatchStep } from "./call-watch.ts";
import type { LlamaModel, LlamaSlot, Token } from "./llama.ts";
import type { GenerateEvent, GenerateRequest, StopReason, Timings } from "./protocol.ts";
import { createStopScanner } from "./stop-scanner.ts";
import { createTextDecoder } from "./text-decoder.ts";

export interface GenerateOptions {
  model: LlamaModel;
  slot: LlamaSlot;
  tokens: readonly Token[];
  request: GenerateRequest;
  sliceTokens: number;
  /** Looked at after every slice and every token. */
  signal: AbortSignal;
}

/** Yields progress and text, and `done` last; a cancelled generation is `done` as well. */
export async function* generate(options: GenerateOptions): AsyncGenerator<GenerateEvent, void, void> {
  const { slot, tokens, signal } = options;
  const startedAt = performance.now();
  const cachedTokens = yield* prefill(options, startedAt);
  const timings: Timings = {
    promptTokens: tokens.length,
    cachedTokens,
    promptMs: 0,
    completionTokens: 0,
    completionMs: 0,
  };
  let firstAt: number | undefined;
  const onToken = (): void => {
    firstAt ??= performance.now();
    timings.completionTokens += 1;
  };
  const reason = signal.aborted ? "cancelled" : yield* sample(options, onToken);
  const endedAt = performance.now();
  timings.promptMs = (firstAt ?? endedAt) - startedAt;
  timings.completionMs = endedAt - (firstAt ?? endedAt);
  yield { type: "done", reason, slot: slot.index, timings };
}

/** Leaves the last prompt token to `sample`. Returns how many tokens were there already. */
async function* prefill(
  options: GenerateOptions,
  startedAt: number,
): AsyncGenerator<GenerateEvent, number, void> {
  const { slot, tokens, sliceTokens, signal } = options;
  const total = tokens.length;
  await slot.keep(Math.min(slot.prefixLength(tokens), total - 1));
  // Read back: models with a recurrent state cannot go back to just any token.
  const cached = Math.min(slot.length, total - 1);
  const progress = (processed: number): GenerateEvent => ({
    type: "progress",
    processed,
    total,
    cached,
    elapsedMs: Math.round(performance.now() - startedAt),
  });
  yield progress(cached);
  for (let at = cached; at < total - 1 && !signal.aborted;) {
    const end = Math.min(at + sliceTokens, total - 1);
    await slot.evaluate(tokens.slice(at, end));
    at = end;
    yield progress(at);
  }
  return cached;
}

/** A stretch of sampling under one grammar, or under none. */
interface Stretch {
  tokens: readonly Token[];
  gbnf: string | undefined;
}

interface StretchContext {
  options: GenerateOptions;
  push: (token: Token) => PushResult;
  onToken: () => boolean;
}

async function* sample(
  options: GenerateOptions,
  onToken: () => void,
): AsyncGenerator<GenerateEvent, StopReason, void> {
  const { model, tokens, request } = options;
  const writer = createWriter(options);
  const room = model.facts.contextTokens - tokens.length;
  const limit = Math.max(1, Math.min(request.maxTokens ?? room, room));
  let count = 0;
  const context: StretchContext = {
    options,
    push: writer.push,
    onToken: () => {
      onToken();
      count += 1;
      return count >= limit;
    },
  };
  let stretch: Stretch = {
    tokens: tokens.slice(-1),
    gbnf: request.grammar?.answer ?? request.grammar?.calls?.fromStart,
  };
  for (;;) {
    const result: Stretch | StopReason = yield* sampleStretch(stretch, context);
    if (typeof result === "object") {
      stretch = result;
      continue;
    }
    if (result !== "stop_string") yield* asText(writer.flush());
    return result;
  }
}

async function* sampleStretch(
  stretch: Stretch,
  { options, push, onToken }: StretchContext,
): AsyncGenerator<GenerateEvent, Stretch | StopReason, void> {
  const { slot, request, signal } = options;
  const sampled = slot.sample(stretch.tokens, {
    sampling: request.sampling,
    ...(stretch.gbnf === undefined ? {} : { gbnf: stretch.gbnf }),
  });
  for await (const token of sampled) {
    const full = onToken();
    const { text, stopped, next } = push(token);
    yield* asText(text);
    if (stopped !== undefined) return stopped;
    if (signal.aborted) return "cancelled";
    if (full) return "length";
    if (next !== undefined) return next;
  }
  return signal.aborted ? "cancelled" : "end";
}

function* asText(text: string): Generator<GenerateEvent, void, void> {
  if (text !== "") yield { type: "text", text };
}

interface PushResult {
  text: string;
  stopped?: StopReason;
  next?: Stretch;
}

/** Tokens to text, past the stop strings, with the grammar switched at the call's tags. */
function createWriter({ model, request }: GenerateOptions): {
  push: (token: Token) => PushResult;
  flush: () => string;
} {
  const decoder = createTextDecoder((tokens, before) => model.detokenize(tokens, before));
  const stops = createStopScanner(request.stop);
  const { calls, thinking } = request.grammar ?? {};
  const watch: CallWatch | undefined = calls && createCallWatch(calls, thinking);
  const single = calls?.single ?? false;

  const afterStep = (
    step: WatchStep,
    token: Token,
    piece: string,
  ): { piece: string; next?: Stretch; closed?: boolean } => {
    if (step.type === "closed") return { piece, next: { tokens: [token], gbnf: undefined }, closed: true };
    if (step.type === "none") return { piece };
    const gbnf = calls?.afterOpen;
    if (step.excess === 0) return { piece, next: { tokens: [token], gbnf } };
    // The token reaches beyond the tag: put the part up to the tag in its place and let the grammar write the rest.
    const kept = piece.slice(0, piece.length - step.excess);
    return { piece: kept, next: { tokens: model.tokenizePiece(kept), gbnf } };
  };

  return {
    push: (token) => {
      const decoded = decoder.push(token);
      const step = watch?.push(decoded) ?? { type: "none" };
      const { piece, next, closed } = afterStep(step, token, decoded);
      const { text, stopped } = stops.push(piece);
      if (stopped) return { text, stopped: "stop_string" };
      if (closed && single) return { text: text + stops.flush(), stopped: "call_complete" };
      return { text, ...(next === undefined ? {} : { next }) };
    },
    flush: () => {
      const { text, stopped } = stops.push(decoder.flush());
      return stopped ? text : text + stops.flush();
    },
  };
}
