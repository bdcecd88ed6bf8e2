import * as z from "zod/mini";
import { AgentError } from "../core/errors.ts";
import { defineTool } from "../core/define-tool.ts";
import {
  describeCounts,
  isOpen,
  toExamples,
  toInventoryHash,
  toItemKey,
  type TaskState,
} from "../core/task-state.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";
import type { TaskStateHolder } from "./task-state-holder.ts";
import { NOTHING_YET } from "./task-state-get.ts";

export interface ReconcileOptions {
  holder: TaskStateHolder;
  workspace: Workspace;
}

/** Changes nothing: what is done about a difference is the model's business. */
export function createTaskReconcileTool({ holder, workspace }: ReconcileOptions): Tool {
  return defineTool({
    name: "task_reconcile",
    description: "Compare the queue with the files",
    parameters: z.object({}),
    // Not `read`, since the state is no file: the same call has another answer after an update.
    access: "control",
    async execute(_, { signal }) {
      const { state } = holder;
      if (state === undefined) return { ok: true, output: NOTHING_YET };
      const found = await compare(state, workspace, signal);
      return { ok: true, output: (await describe(state, found)).join("\n") };
    },
  });
}

interface Comparison {
  present: string[];
  /** `old -> new`: the new name is there, and the old one is still in the queue. */
  renamed: string[];
  missing: string[];
  /** Of what is processed: renamed to a name that is not there. */
  lost: string[];
}

async function compare(state: TaskState, workspace: Workspace, signal: AbortSignal): Promise<Comparison> {
  const { remaining_queue: queue = [], processed_items: processed = [], rename_map: renames = {} } = state;
  const targets = new Map(Object.entries(renames).map(([from, to]) => [toItemKey(from), to]));
  const found: Comparison = { present: [], renamed: [], missing: [], lost: [] };
  const exists = async (path: string): Promise<boolean> => {
    signal.throwIfAborted();
    return isThere(path, workspace);
  };
  for (const item of queue) {
    const target = targets.get(toItemKey(item));
    if (await exists(item)) found.present.push(item);
    else if (target !== undefined && (await exists(target))) found.renamed.push(`${item} -> ${target}`);
    else found.missing.push(item);
  }
  for (const item of processed) {
    const target = targets.get(toItemKey(item));
    if (target !== undefined && !(await exists(target))) found.lost.push(`${item} -> ${target}`);
  }
  return found;
}

/** Items need not be files: what is no path at all is not there either. */
async function isThere(path: string, workspace: Workspace): Promise<boolean> {
  try {
    return (await workspace.stat(path)) !== undefined;
  } catch (error) {
    if (AgentError.is(error, "path_refused") || AgentError.is(error, "file_failed")) return false;
    throw error;
  }
}

async function describe(
  state: TaskState,
  { present, renamed, missing, lost }: Comparison,
): Promise<string[]> {
  const { remaining_queue: queue = [], inventory_hash: hash } = state;
  const lines = [describeCounts(state) || "nothing is counted"];
  if (hash !== undefined && hash !== (await toInventoryHash(queue)))
    lines.push("the queue is not the one that was recorded; set remaining_queue anew");
  if (present.length === 0 && renamed.length === 0 && missing.length > 0) {
    lines.push(`no item of the queue is a file here (${toExamples(missing)}): nothing to compare`);
    return [...lines, ...toNext(state, missing[0])];
  }
  if (present.length === queue.length && queue.length > 0)
    lines.push(`all ${queue.length} files of the queue exist`);
  else if (queue.length > 0) lines.push(`${present.length} of ${queue.length} files of the queue exist`);
  if (renamed.length > 0)
    lines.push(
      `renamed, but still in the queue: ${toExamples(renamed, 5)}. If that finished them, name them in \`done\``,
    );
  if (missing.length > 0)
    lines.push(
      `missing: ${toExamples(missing, 5)}. Look for them with glob; if nothing is left to do for them, name them in \`done\``,
    );
  if (lost.length > 0) lines.push(`processed, but not there under the new name: ${toExamples(lost, 5)}`);
  return [...lines, ...toNext(state, present[0])];
}

function toNext(state: TaskState, item: string | undefined): string[] {
  const { next_action: action, recovery_instruction: recovery, completion_gate: gate } = state;
  return [
    ...(recovery === undefined ? [] : [`recovery: ${recovery}`]),
    ...(item === undefined ? [] : [`next: ${item}`]),
    ...(action === undefined ? [] : [`next action: ${action}`]),
    ...(isOpen(state) || gate === undefined ? [] : [`all are processed; check that it holds: ${gate}`]),
  ];
}
