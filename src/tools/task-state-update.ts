import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import {
  describeCounts,
  isOpen,
  toInventoryHash,
  type TaskState,
  type TaskStateChange,
} from "../core/task-state.ts";
import { updateTaskState } from "../core/task-state-update.ts";
import type { Tool, ToolContext, ToolResult } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";
import type { TaskStateHolder } from "./task-state-holder.ts";

export interface TaskStateToolOptions {
  holder: TaskStateHolder;
  workspace: Workspace;
  now: () => Date;
}

const text = z.optional(z.string());
const list = z.optional(z.array(z.string()));
const count = z.optional(z.int());

export function createTaskStateUpdateTool(options: TaskStateToolOptions): Tool {
  return defineTool({
    name: "task_state_update",
    description:
      "Keep track of a job over many items. Queue items may be patterns like docs/*.md; done: finished ones",
    parameters: z.object({
      objective: text,
      completion_gate: text,
      total_count: count,
      processed_count: count,
      remaining_queue: list,
      add: list,
      done: list,
      rename_map: z.optional(z.record(z.string(), z.string())),
      last_error: text,
      recovery_instruction: text,
      next_action: text,
    }),
    aliases: { remaining_queue: ["queue", "remaining"], done: ["processed", "completed", "done_items"] },
    access: "control",
    execute: (change, context) => update(change, options, context),
  });
}

async function update(
  change: TaskStateChange,
  { holder, workspace, now }: TaskStateToolOptions,
  { emit, signal }: ToolContext,
): Promise<ToolResult> {
  if (Object.values(change).every((value) => value === undefined))
    return { ok: false, error: "nothing to update; give at least one field, such as `done`" };
  const queue = await toItems(change.remaining_queue, workspace, signal);
  const added = await toItems(change.add, workspace, signal);
  if (queue.error !== undefined || added.error !== undefined)
    return { ok: false, error: `${queue.error ?? added.error}; nothing was changed` };
  const updated = updateTaskState(holder.state ?? {}, {
    ...change,
    remaining_queue: queue.items,
    add: added.items,
  });
  if (!updated.ok) return { ok: false, error: describeRefusal(updated.error, holder.state) };
  const left = updated.state.remaining_queue;
  const state: TaskState = {
    ...updated.state,
    ...(left === undefined ? {} : { inventory_hash: await toInventoryHash(left) }),
    last_updated: now().toISOString(),
  };
  holder.set(state);
  emit({ type: "task_state_changed", state });
  const notes = [...queue.notes, ...added.notes, ...updated.notes];
  return { ok: true, output: describeUpdate(state, notes) };
}

/** More than a job can hold, so that the check of its length says so. */
const MOST_FILES = 20_000;
/** Each is a walk through the workspace. */
const MAX_PATTERNS = 20;

interface Items {
  /** Absent: none were given. */
  items?: string[];
  notes: readonly string[];
  error?: string;
}

/** Patterns become the files that they match now, so that nobody has to write out 300 names. */
async function toItems(
  given: readonly string[] | undefined,
  workspace: Workspace,
  signal: AbortSignal,
): Promise<Items> {
  if (given === undefined) return { notes: [] };
  const items: string[] = [];
  const notes: string[] = [];
  const all = given.flatMap(toLines);
  if (all.filter((item) => item.includes("*")).length > MAX_PATTERNS)
    return { notes, error: `at most ${MAX_PATTERNS} patterns are taken at once` };
  for (const item of all) {
    if (!item.includes("*")) {
      items.push(item);
      continue;
    }
    const { paths, truncated } = await workspace.findFiles(item.trim(), { limit: MOST_FILES, signal });
    if (paths.length === 0) return { notes, error: `no file matches \`${item}\`` };
    if (truncated) return { notes, error: `\`${item}\` matches too many files; name a narrower pattern` };
    items.push(...paths);
    notes.push(`${item}: ${paths.length} ${paths.length === 1 ? "file" : "files"}`);
  }
  return { items, notes };
}

/** A list that came as one text: a name a line, or file names with commas in between. */
function toLines(text: string): string[] {
  const parts = text.split(",").map((part) => part.trim());
  const areFiles = parts.length > 1 && parts.every((part) => /^\S*[./]\S*$/.test(part));
  return areFiles ? parts : text.split("\n");
}

const NEXT_ITEMS = 3;

function describeUpdate(state: TaskState, notes: readonly string[]): string {
  const said = notes.length === 0 ? "" : ` (${notes.join("; ")})`;
  return `${describeStanding(state) || "noted"}${said}`;
}

/** Where the job is, and what comes next; empty when nothing is counted. */
function describeStanding(state: TaskState): string {
  const counts = describeCounts(state);
  if (counts === "") return "";
  const next = state.remaining_queue?.slice(0, NEXT_ITEMS) ?? [];
  if (next.length > 0) return `${counts}; next: ${next.join(", ")}`;
  return isOpen(state) ? counts : `${counts}; all are processed`;
}

function describeRefusal(error: string, state: TaskState | undefined): string {
  const next = state?.remaining_queue?.[0];
  return next === undefined ? error : `${error}. Next in the queue: ${next}`;
}
