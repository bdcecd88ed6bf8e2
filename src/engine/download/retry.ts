/** Tries again after a fault that may pass, with growing pauses, until too many tries in a row brought nothing. */
import { setTimeout as delay } from "node:timers/promises";
import { downloadFailed, TransferError } from "./failure.ts";

export interface RetryPolicy {
  /** Pause after the first fault; it doubles with each. */
  firstPauseMs: number;
  /** Tries in a row without progress. */
  tries: number;
}

export const DEFAULT_RETRY: RetryPolicy = { firstPauseMs: 400, tries: 8 };

const LONGEST_PAUSE_MS = 30_000;
/** Nobody wants to wait longer than this for a server that asks for it. */
const LONGEST_PATIENCE_MS = 300_000;

export interface RetryOptions {
  policy: RetryPolicy;
  signal: AbortSignal;
  onRetry: (why: string, waitMs: number) => void;
  /** Grows with what was achieved; the count of tries starts anew when it did. Absent: it never does. */
  progress?: () => number;
}

/** Throws what is no `TransferError` at once, and `download_failed` in place of the last one. */
export async function withRetries<Result>(
  work: () => Promise<Result>,
  { policy, signal, onRetry, progress = () => 0 }: RetryOptions,
): Promise<Result> {
  let tries = 0;
  for (;;) {
    const before = progress();
    try {
      return await work();
    } catch (thrown) {
      signal.throwIfAborted();
      if (!(thrown instanceof TransferError)) throw thrown;
      tries = progress() > before ? 1 : tries + 1;
      const { retryAfterMs } = thrown;
      if (tries >= policy.tries || (retryAfterMs ?? 0) > LONGEST_PATIENCE_MS) throw gaveUp(thrown);
      const waitMs = retryAfterMs ?? Math.min(LONGEST_PAUSE_MS, policy.firstPauseMs * 2 ** (tries - 1));
      onRetry(thrown.message, waitMs);
      await delay(waitMs, undefined, { signal });
    }
  }
}

function gaveUp(failure: TransferError): Error {
  const { message, retryAfterMs } = failure;
  const when = retryAfterMs === undefined ? "later" : `in ${Math.ceil(retryAfterMs / 60_000)} minutes`;
  return downloadFailed(`${message} Try again ${when}; what is there already is kept.`, { cause: failure });
}
