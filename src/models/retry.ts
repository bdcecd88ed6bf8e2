import { isLoading, isRetryable, toLine } from "./failure.ts";
import { ServerRefusal } from "./exchange.ts";
import { ConnectionFailure } from "./transport.ts";

export interface RetryLimits {
  /** Most requests sent again for one reply; waiting for a model to load is counted apart. */
  maxRetries: number;
  /** Longest wait, all together, for a server that says that it is loading the model. */
  loadingMs: number;
}

interface Retry {
  delayMs: number;
  why: string;
}

export interface RetryPolicy {
  /** How long to wait before sending again; `undefined`: give up. */
  next(thrown: unknown): Retry | undefined;
  /** Requests sent again so far. */
  readonly attempts: number;
}

const BASE_MS = 250;
const LONGEST_MS = 5_000;
/** A server that asks for more than this is out of reach for now. */
const LONGEST_ASKED_MS = 60_000;

/** Decides for one reply whether the request is worth sending again. */
export function createRetryPolicy({ maxRetries, loadingMs }: RetryLimits): RetryPolicy {
  let failures = 0;
  let loads = 0;
  let waitedMs = 0;
  return {
    next(thrown) {
      if (thrown instanceof ServerRefusal && isLoading(thrown.error)) {
        const delayMs = Math.min(thrown.retryAfterMs ?? backOff(loads), LONGEST_MS);
        loads += 1;
        waitedMs += delayMs;
        return waitedMs > loadingMs
          ? undefined
          : { delayMs, why: `the server is not ready: ${toLine(thrown.message)}` };
      }
      const why = describe(thrown);
      if (why === undefined || failures >= maxRetries) return undefined;
      const asked = thrown instanceof ServerRefusal ? thrown.retryAfterMs : undefined;
      if (asked !== undefined && asked > LONGEST_ASKED_MS) return undefined;
      const delayMs = asked ?? backOff(failures);
      failures += 1;
      return { delayMs, why };
    },
    get attempts() {
      return failures + loads;
    },
  };
}

function describe(thrown: unknown): string | undefined {
  if (thrown instanceof ServerRefusal) {
    return isRetryable(thrown.error) ? `status ${thrown.error.status}: ${toLine(thrown.message)}` : undefined;
  }
  return ConnectionFailure.is(thrown) && thrown.kind === "dropped" ? thrown.message : undefined;
}

function backOff(round: number): number {
  return Math.min(BASE_MS * 2 ** round, LONGEST_MS);
}

/** Rejects with the signal's reason when it fires first. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
