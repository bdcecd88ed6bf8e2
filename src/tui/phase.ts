/** What the agent is doing right now, in words, with an honest estimate of the wait. */
import type { AgentEvent } from "../core/index.ts";
import { formatBytes } from "./format.ts";
import { createPrefill, type Prefill } from "./prefill.ts";
import { toTerminalLine } from "./terminal-text.ts";

export interface Phase {
  /** The phase after `event`; an empty string when nothing is going on. Clean, one line. */
  update(event: AgentEvent): string;
  /** Where time passes in it, as it is now. */
  readonly text: string;
  /** Its text changes without an event. */
  readonly isCounting: boolean;
}

/** `now` in milliseconds, monotonic. */
export function createPhase({ now }: { now: () => number }): Phase {
  const prefill = createPrefill(now);
  const running = new Map<string, string>();
  let text = "";
  let isReading = false;
  const current = () => (isReading ? prefill.text : text);
  return {
    get text() {
      return current();
    },
    get isCounting() {
      return isReading;
    },
    update(event) {
      const previous = isReading ? "working" : text;
      isReading = readsAfter(event, { isReading, prefill });
      if (!isReading) text = toPhase(event, { previous, running });
      return current();
    },
  };
}

/** With these the reply has begun, or will not come. */
const ENDS_READING: ReadonlySet<AgentEvent["type"]> = new Set([
  "run_started",
  "thinking_delta",
  "text_delta",
  "call_progress",
  "usage",
  "message_added",
  "tool_proposed",
  "approval_requested",
  "tool_started",
  "tool_finished",
  "turn_finished",
  "run_finished",
]);

function readsAfter(
  event: AgentEvent,
  { isReading, prefill }: { isReading: boolean; prefill: Prefill },
): boolean {
  if (event.type === "turn_started") prefill.start(event);
  else if (event.type === "prefill_progress") prefill.update(event);
  else {
    if (event.type === "warning" && event.code === "retry") prefill.restart();
    return isReading && !ENDS_READING.has(event.type);
  }
  return true;
}

interface PhaseState {
  previous: string;
  /** Names of the running calls, by id. */
  running: Map<string, string>;
}

function toPhase(event: AgentEvent, state: PhaseState): string {
  switch (event.type) {
    case "run_started":
      return "starting";
    case "thinking_delta":
      return "thinking";
    case "text_delta":
      return "writing";
    case "call_progress":
      return `preparing ${toTerminalLine(event.name) || "a call"} · ${formatBytes(event.bytes)}`;
    case "approval_requested":
      return "waiting for your answer";
    case "plan_changed":
      return event.plan.status === "proposed" ? "waiting for your answer" : formatWork(state);
    case "approval_resolved":
      return "working";
    case "tool_started":
      state.running.set(event.callId, toTerminalLine(event.name));
      return formatWork(state);
    case "tool_finished":
      state.running.delete(event.callId);
      return formatWork(state);
    case "turn_finished":
      return formatWork(state);
    case "run_finished":
      state.running.clear();
      return "";
    default:
      return state.previous;
  }
}

function formatWork({ running }: PhaseState): string {
  if (running.size === 0) return "working";
  return `running ${[...new Set(running.values())].slice(0, 3).join(", ")}`;
}
