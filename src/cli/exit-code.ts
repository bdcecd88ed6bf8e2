import { AgentError } from "../core/errors.ts";
import type { EndReason } from "../core/events.ts";

export const EXIT_USAGE = 64;
export const EXIT_INTERRUPTED = 130;
/** 128 + SIGPIPE, as a shell reports it. */
export const EXIT_PIPE = 141;

/** What a shell script can tell a run's end by. */
export function toExitCode(reason: EndReason): number {
  switch (reason) {
    case "done":
    case "waiting":
      return 0;
    case "turn_limit":
    case "time_limit":
      return 2;
    case "blocked":
    case "denied":
      return 3;
    case "aborted":
      return EXIT_INTERRUPTED;
    default:
      return 1;
  }
}

export function toErrorExitCode(error: unknown): number {
  return AgentError.is(error, "usage") ? EXIT_USAGE : 1;
}
