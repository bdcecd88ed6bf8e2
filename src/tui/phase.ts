/** What the agent is doing right now, in words, with an honest estimate of the wait. */
import type { AgentEvent } from "../core/index.ts";
import { formatBytes, formatCount, formatDuration } from "./format.ts";
import { toTerminalLine } from "./terminal-text.ts";

export interface Phase {
  /** The phase after `event`; an empty string when nothing is going on. Clean, one line. */
  update(event: AgentEvent): string;
  readonly text: string;
}

/** Below this, a rate measured from the first progress report is noise. */
const MEASURABLE_MS = 250;

/** `now` in milliseconds, monotonic. */
export function createPhase({ now }: { now: () => number }): Phase {
  const prefill = createPrefillEstimate(now);
  let text = "";
  const running = new Map<string, string>();
  return {
    get text() {
      return text;
    },
    update(event) {
      text = toPhase(event, { previous: text, running, prefill });
      return text;
    },
  };
}

interface PhaseState {
  previous: string;
  /** Names of the running calls, by id. */
  running: Map<string, string>;
  prefill: ReturnType<typeof createPrefillEstimate>;
}

function toPhase(event: AgentEvent, state: PhaseState): string {
  switch (event.type) {
    case "run_started":
      return "starting";
    case "turn_started":
      state.prefill.reset();
      return "waiting for the model";
    case "prefill_progress":
      return formatPrefill(event, state.prefill.leftMs(event));
    case "thinking_delta":
      return "thinking";
    case "text_delta":
      return "writing";
    case "call_progress":
      return `preparing ${toTerminalLine(event.name) || "a call"} · ${formatBytes(event.bytes)}`;
    case "approval_requested":
      return "waiting for your answer";
    case "approval_resolved":
      return "working";
    case "tool_started":
      state.running.set(event.callId, toTerminalLine(event.name));
      return formatRunning(state.running);
    case "tool_finished":
      state.running.delete(event.callId);
      return state.running.size === 0 ? "working" : formatRunning(state.running);
    case "run_finished":
      state.running.clear();
      return "";
    default:
      return state.previous;
  }
}

function formatRunning(running: ReadonlyMap<string, string>): string {
  return `running ${[...new Set(running.values())].slice(0, 3).join(", ")}`;
}

function formatPrefill(
  { processed, total }: { processed: number; total: number },
  leftMs: number | undefined,
): string {
  const left = leftMs === undefined ? "" : ` · ${formatDuration(Math.max(1_000, leftMs))} left`;
  return `reading prompt ${formatCount(processed)}/${formatCount(total)}${left}`;
}

/** Time left from the speed since the first report of a turn: cached tokens cost nothing and would flatter it. */
function createPrefillEstimate(now: () => number) {
  let first: { at: number; processed: number } | undefined;
  return {
    reset() {
      first = undefined;
    },
    leftMs({
      processed,
      total,
      cached,
    }: {
      processed: number;
      total: number;
      cached: number;
    }): number | undefined {
      first ??= { at: now(), processed: Math.max(processed, cached) };
      const elapsedMs = now() - first.at;
      const done = processed - first.processed;
      if (elapsedMs < MEASURABLE_MS || done <= 0) return undefined;
      return ((total - processed) * elapsedMs) / done;
    },
  };
}
