import { AgentError } from "../../core/errors.ts";

export function downloadFailed(
  message: string,
  { cause, ...data }: Readonly<Record<string, unknown>> & { cause?: unknown } = {},
): AgentError {
  return new AgentError("download_failed", message, { ...(cause === undefined ? {} : { cause }), data });
}

/** One try that did not work; another one may. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  /** The server asked for so much patience. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { cause, retryAfterMs }: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

/** What is at the address is not what it was: all that is there so far is of no use. */
export class UpstreamChanged extends Error {
  override readonly name = "UpstreamChanged";
}

/** The server sends the whole file whatever is asked for. */
export class RangesIgnored extends Error {
  override readonly name = "RangesIgnored";
}
