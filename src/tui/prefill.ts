/**
 * Waiting for a prompt to be read, in words: by the server's own progress where it reports any, else by an estimate. It counts down between
 * two reports, and says so when an estimate was too short.
 */
import type { AgentEventOf } from "../core/index.ts";
import { formatCount, formatWait } from "./format.ts";

export interface Prefill {
  /** A request is about to be sent. */
  start(event: Counts): void;
  /** The same request is sent again. */
  restart(): void;
  /** The server says how far it is. */
  update(event: Progress): void;
  /** As it is now. */
  readonly text: string;
}

type Counts = Pick<AgentEventOf<"turn_started">, "promptTokens" | "newTokens" | "prefillSeconds">;
type Progress = Pick<AgentEventOf<"prefill_progress">, "processed" | "total" | "cached">;

/** Below this, a rate measured from the first progress report is noise. */
const MEASURABLE_MS = 250;
/** Less is over before anybody has read it. */
const NOTABLE_TOKENS = 200;

/** `now` in milliseconds, monotonic. */
export function createPrefill(now: () => number): Prefill {
  let counts: Counts = {};
  let startedAt = now();
  let progress: Progress | undefined;
  let reportedAt = 0;
  /** Cached tokens cost nothing and would flatter the rate, so it is measured from the first report on. */
  let first: { at: number; processed: number } | undefined;
  const leftMs = (): number | undefined => {
    if (progress === undefined) return undefined;
    const { processed, total } = progress;
    const rate = measure(first, { at: reportedAt, processed }) ?? toRate(counts);
    return rate === undefined ? undefined : (total - processed) / rate - (now() - reportedAt);
  };
  const restart = () => {
    startedAt = now();
    progress = undefined;
    first = undefined;
  };
  return {
    start(event) {
      counts = event;
      restart();
    },
    restart,
    update(event) {
      progress = event;
      reportedAt = now();
      first ??= { at: reportedAt, processed: Math.max(event.processed, event.cached) };
    },
    get text() {
      if (progress === undefined) return describeEstimate(counts, now() - startedAt);
      return describeProgress(progress, leftMs());
    },
  };
}

interface Measure {
  at: number;
  processed: number;
}

/** Tokens a millisecond. */
function measure(first: Measure | undefined, last: Measure): number | undefined {
  if (first === undefined || last.at - first.at < MEASURABLE_MS) return undefined;
  const rate = (last.processed - first.processed) / (last.at - first.at);
  return rate > 0 ? rate : undefined;
}

function toRate({ newTokens, prefillSeconds }: Counts): number | undefined {
  if (newTokens === undefined || prefillSeconds === undefined) return undefined;
  const rate = newTokens / (prefillSeconds * 1_000);
  return rate > 0 && Number.isFinite(rate) ? rate : undefined;
}

function describeProgress({ processed, total }: Progress, leftMs: number | undefined): string {
  const left = leftMs === undefined || leftMs <= 0 ? "" : ` · ${formatWait(leftMs)} left`;
  return `reading ${formatCount(processed)} of ${formatCount(total)} tokens${left}`;
}

/** Never more than is known: without a count no number, without a rate no time. */
function describeEstimate(counts: Counts, elapsedMs: number): string {
  const { newTokens, prefillSeconds } = counts;
  if (newTokens === undefined || !(newTokens >= NOTABLE_TOKENS)) return "waiting for the model";
  const reading = `reading about ${formatCount(roundRoughly(newTokens))} new tokens`;
  if (prefillSeconds === undefined || !Number.isFinite(prefillSeconds)) return reading;
  const leftMs = prefillSeconds * 1_000 - elapsedMs;
  if (leftMs > 0) return `${reading} · about ${formatWait(leftMs)} left`;
  return `${reading} · longer than the estimated ${formatWait(prefillSeconds * 1_000)}`;
}

/** Two digits: an estimate is no better. */
function roundRoughly(count: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(count)) - 1);
  return Math.round(count / unit) * unit;
}
