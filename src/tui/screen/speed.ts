import type { AgentEvent } from "../../core/index.ts";
import { formatRate } from "../format.ts";

/** Less than this says nothing about speed. */
const MEASURABLE_MS = 1_000;

/**
 * Tokens per second of the reply that is coming in. Local servers send one token a piece, so pieces are counted; the
 * server's own figure follows at the end of the turn.
 */
export function createSpeed({ now }: { now: () => number }) {
  let first: number | undefined;
  let pieces = 0;
  let rate = 0;
  const stop = () => {
    first = undefined;
    pieces = 0;
    rate = 0;
  };
  return {
    /** `~23.4 tok/s`, or empty when nothing is measured. */
    get text(): string {
      return rate === 0 ? "" : `~${formatRate(rate)}`;
    },
    update(event: AgentEvent): void {
      const isPiece =
        event.type === "text_delta" || event.type === "thinking_delta" || event.type === "call_progress";
      if (!isPiece) return stop();
      first ??= now();
      pieces += 1;
      const elapsedMs = now() - first;
      if (elapsedMs >= MEASURABLE_MS) rate = ((pieces - 1) * 1_000) / elapsedMs;
    },
  };
}
