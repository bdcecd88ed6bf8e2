/** What happens to the conversation and how far a long job is, each in one quiet line, the same in every view. */
import type { AgentEventOf, CompactionCause, Plan, TaskState } from "../core/index.ts";
import { currentStep } from "../core/plan-steps.ts";
import { describeCounts } from "../core/task-state.ts";
import { formatBytes, formatCount, formatCounted, formatWait, shorten } from "./format.ts";
import { toTerminalLine } from "./terminal-text.ts";

const STEP_CHARACTERS = 120;

const CAUSES: Readonly<Record<CompactionCause, string>> = {
  threshold: "the window is getting full",
  overflow: "the server refused the prompt as too long",
  request: "as you asked",
};

/** `context 7,900 → 3,100 tokens: 12 old results left out (the window is getting full)`. */
export function formatCompaction(event: AgentEventOf<"context_compacted">): string {
  const size = `${formatCount(event.tokensBefore)} → ${formatCount(event.tokensAfter)} tokens`;
  return `context ${size}: ${describeMethod(event)} (${CAUSES[event.cause]})`;
}

function describeMethod({ method, parts }: AgentEventOf<"context_compacted">): string {
  const results = parts.filter((part) => "message" in part && part.message.role === "tool").length;
  const elided = results === 0 ? "old thinking left out" : `${formatCounted(results, "old result")} left out`;
  if (method === "elided") return elided;
  const older =
    method === "summarised" ? "the model summarised older turns" : "older turns became a list by rule";
  return results === 0 ? older : `${elided}, and ${older}`;
}

/** `reads 3,100 tokens again, about 8 s: a tool was added`. */
export function formatPrefixBroken({ tokens, bytes, seconds, why }: AgentEventOf<"prefix_broken">): string {
  const amount = tokens === undefined ? `${formatBytes(bytes)} of prompt` : `${formatCount(tokens)} tokens`;
  const time = seconds === undefined ? "" : `, about ${formatWait(seconds * 1_000)}`;
  return `the server reads ${amount} again${time}: ${toTerminalLine(why)}`;
}

/** `plan: 3 of 8 steps done · now 4. Write the test`. */
export function formatPlan(plan: Plan): string {
  const count = formatCounted(plan.steps.length, "step");
  if (plan.status === "planning") return "plan: the agent only looks around until you have approved one";
  if (plan.status === "proposed") return `plan: ${count} proposed`;
  if (plan.status === "completed") return `plan: all of ${count} done`;
  return plan.status === "abandoned" ? "plan: given up" : formatFollowed(plan);
}

function formatFollowed(plan: Plan): string {
  const done = plan.steps.filter(({ status }) => status === "completed").length;
  const failed = plan.steps.filter(({ status }) => status === "failed").length;
  const step = currentStep(plan);
  const now =
    step === undefined
      ? ""
      : ` · now ${step.id}. ${shorten(toTerminalLine(step.description.slice(0, 4 * STEP_CHARACTERS)), STEP_CHARACTERS)}`;
  return `plan: ${done} of ${plan.steps.length} steps done${failed === 0 ? "" : `, ${failed} failed`}${now}`;
}

/** `task: 120 of 300 processed, 180 remaining`; empty when nothing is counted. */
export function formatTaskState(state: TaskState): string {
  const { inventory_hash: _, ...counted } = state;
  const counts = toTerminalLine(describeCounts(counted));
  return counts === "" ? "" : `task: ${counts}`;
}

/** Keeps the line that was shown last, so that a change nobody would see says nothing. */
export function createProgressLines(): { next(text: string): string | undefined } {
  const shown = new Map<string, string>();
  return {
    next(text) {
      const subject = text.slice(0, text.indexOf(":"));
      if (text === "" || shown.get(subject) === text) return undefined;
      shown.set(subject, text);
      return text;
    },
  };
}
