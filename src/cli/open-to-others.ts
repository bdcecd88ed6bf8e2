import type { RunOptions } from "../core/run-options.ts";
import { describeOpenWork } from "../core/state-note.ts";
import type { LiveSession } from "./live-session.ts";

/**
 * A request that asks for no plan may be about something else than what is open: its answer needs no plan first, and is not held up by a
 * plan or a job of which nothing has got on since.
 */
export function openToOthers(options: RunOptions, live: LiveSession): RunOptions {
  const { completionGate } = options;
  if (completionGate === undefined) return options;
  const before = live.plan.plan;
  const gate = (): string | undefined =>
    before?.status === "planning" && live.plan.plan === before
      ? describeOpenWork({ taskState: live.taskState.state, todos: live.todos.todos })
      : completionGate();
  return { ...options, completionGate: gate, openBefore: gate() };
}
