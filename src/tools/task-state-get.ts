import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import { describeTaskState } from "../core/state-note.ts";
import type { TaskState } from "../core/task-state.ts";
import type { Tool } from "../core/tool.ts";
import type { TaskStateHolder } from "./task-state-holder.ts";

/** What a look at the state may take of the window, so that nobody is flooded by the names of a long queue. */
const MAX_BYTES = 1_500;
const ITEMS = [Number.POSITIVE_INFINITY, 40, 20, 10, 3];

export function createTaskStateGetTool(holder: TaskStateHolder): Tool {
  return defineTool({
    name: "task_state_get",
    description: "Show the job's state",
    parameters: z.object({}),
    access: "control",
    async execute(_, { resultBytes }) {
      if (holder.state === undefined) return { ok: true, output: NOTHING_YET };
      return { ok: true, output: toBounded(holder.state, Math.min(resultBytes, MAX_BYTES)) };
    },
  });
}

export const NOTHING_YET = "(nothing recorded yet; task_state_update starts a job)";

function toBounded(state: TaskState, maxBytes: number): string {
  const forms = ITEMS.map((items) => describeTaskState(state, { items }));
  return forms.find((form) => Buffer.byteLength(form) <= maxBytes) ?? forms.at(-1)!;
}
