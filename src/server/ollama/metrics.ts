/** Ollama's durations, in nanoseconds, and its counts. */
import type { Timings } from "../../engine/protocol.ts";

export interface Stopwatch {
  /** The model is there; what came before was its load. */
  loaded(): void;
  totals(): { total_duration: number; load_duration: number };
}

export function startStopwatch(now: () => number = () => performance.now()): Stopwatch {
  const startedAt = now();
  let loadedAt: number | undefined;
  return {
    loaded: () => {
      loadedAt ??= now();
    },
    totals: () => ({
      total_duration: toNanoseconds(now() - startedAt),
      load_duration: toNanoseconds((loadedAt ?? startedAt) - startedAt),
    }),
  };
}

export function toMetrics(watch: Stopwatch, timings: Timings): Record<string, number> {
  return {
    ...watch.totals(),
    prompt_eval_count: timings.promptTokens,
    prompt_eval_duration: toNanoseconds(timings.promptMs),
    eval_count: timings.completionTokens,
    eval_duration: toNanoseconds(timings.completionMs),
  };
}

function toNanoseconds(ms: number): number {
  return Math.max(0, Math.round(ms * 1e6));
}
