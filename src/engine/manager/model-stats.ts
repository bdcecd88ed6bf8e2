/** Counts what a model does, from the events of its generations, so that every dialect is counted the same way. */
import type { ModelStats } from "./model-manager.ts";
import type { GenerateEvent, Timings } from "../protocol.ts";

/** Rates and percentiles are those of this many newest requests. */
const WINDOW_REQUESTS = 128;

/** One request while it runs. */
export interface RequestMeter {
  onEvent(event: GenerateEvent): void;
  /** Once, whatever happened. `failed`: by a fault, and not because the client left. */
  end(outcome: { failed: boolean }): void;
}

export interface StatsMeter {
  stats(): ModelStats;
  startRequest(): RequestMeter;
  /** Embeddings have no events, only an end. */
  startEmbedding(): { end(outcome: { failed: boolean; promptTokens: number }): void };
}

interface Counters {
  requests: number;
  failed: number;
  active: number;
  queued: number;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
}

/** `now`: milliseconds of a clock that only goes forward. */
export function createStatsMeter(now: () => number = () => performance.now()): StatsMeter {
  const counters: Counters = {
    requests: 0,
    failed: 0,
    active: 0,
    queued: 0,
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
  };
  const timings = createWindow<Timings>();
  const firstTokens = createWindow<number>();
  const slotTokens = new Map<number, number>();
  return {
    stats: () => ({
      ...counters,
      ...toRates(timings.items()),
      ...toPercentiles(firstTokens.items()),
      ...(slotTokens.size === 0 ? {} : { contextUsed: Math.max(...slotTokens.values()) }),
    }),
    startRequest: () =>
      startRequest(counters, now, {
        onFirstToken: (ms) => firstTokens.add(ms),
        onDone: (slot, done) => {
          timings.add(done);
          slotTokens.set(slot, done.promptTokens + done.completionTokens);
        },
      }),
    startEmbedding: () => {
      counters.requests += 1;
      counters.active += 1;
      return {
        end: ({ failed, promptTokens }) => {
          counters.active -= 1;
          counters.failed += failed ? 1 : 0;
          counters.promptTokens += promptTokens;
        },
      };
    },
  };
}

interface RequestListener {
  onFirstToken(ms: number): void;
  onDone(slot: number, timings: Timings): void;
}

function startRequest(
  counters: Counters,
  now: () => number,
  { onFirstToken, onDone }: RequestListener,
): RequestMeter {
  const startedAt = now();
  let state: "queued" | "active" | "ended" = "queued";
  /** What is known of one that ends before its time. */
  const soFar = { processed: 0, cached: 0, pieces: 0 };
  let done: Timings | undefined;
  counters.requests += 1;
  counters.queued += 1;

  const activate = (): void => {
    if (state !== "queued") return;
    state = "active";
    counters.queued -= 1;
    counters.active += 1;
  };

  return {
    onEvent: (event) => {
      if (event.type === "accepted") return;
      activate();
      if (event.type === "progress")
        Object.assign(soFar, { processed: event.processed, cached: event.cached });
      else if (event.type === "text") {
        soFar.pieces += 1;
        if (soFar.pieces === 1) onFirstToken(now() - startedAt);
      } else {
        done = event.timings;
        onDone(event.slot, done);
      }
    },
    end: ({ failed }) => {
      if (state === "ended") return;
      if (state === "queued") counters.queued -= 1;
      else counters.active -= 1;
      state = "ended";
      counters.failed += failed ? 1 : 0;
      counters.promptTokens += done?.promptTokens ?? soFar.processed;
      counters.cachedTokens += done?.cachedTokens ?? soFar.cached;
      counters.completionTokens += done?.completionTokens ?? soFar.pieces;
    },
  };
}

function toRates(
  timings: readonly Timings[],
): Pick<ModelStats, "promptTokensPerSecond" | "completionTokensPerSecond"> {
  const sum = (value: (one: Timings) => number): number => timings.reduce((all, one) => all + value(one), 0);
  const promptMs = sum((one) => one.promptMs);
  const completionMs = sum((one) => one.completionMs);
  return {
    ...(promptMs > 0 && {
      promptTokensPerSecond: (1000 * sum((one) => one.promptTokens - one.cachedTokens)) / promptMs,
    }),
    ...(completionMs > 0 && {
      completionTokensPerSecond: (1000 * sum((one) => one.completionTokens)) / completionMs,
    }),
  };
}

function toPercentiles(values: readonly number[]): Pick<ModelStats, "firstTokenMs"> {
  const sorted = values.toSorted((a, b) => a - b);
  // The smallest value that this share of all is not above.
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return sorted.length === 0 ? {} : { firstTokenMs: { p50: at(0.5), p95: at(0.95) } };
}

function createWindow<Item>(): { add(item: Item): void; items(): readonly Item[] } {
  const items: Item[] = [];
  return {
    add: (item) => {
      items.push(item);
      if (items.length > WINDOW_REQUESTS) items.shift();
    },
    items: () => items,
  };
}
