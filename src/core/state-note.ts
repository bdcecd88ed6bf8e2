/**
 * Todos, plan and task state in words: what a compaction leaves of them, and what is still open when a model wants to be done. Both are
 * read by small models, so every word counts.
 */
import { byteLength } from "./message-size.ts";
import { currentStep, describeStep, isDone } from "./plan-steps.ts";
import type { Plan } from "./plan.ts";
import { describeCounts, isOpen, toExamples, type TaskState } from "./task-state.ts";
import type { Todo } from "./todo.ts";

export interface AgentState {
  todos?: readonly Todo[] | undefined;
  plan?: Plan | undefined;
  taskState?: TaskState | undefined;
}

/** For `RunOptions.completionGate`. Todos alone keep nobody from being done; `undefined`: nothing is open. */
export function describeOpenWork({ plan, taskState, todos = [] }: AgentState): string | undefined {
  const open = [toOpenPlan(plan), toOpenJob(taskState)].filter((text) => text !== undefined);
  if (open.length === 0) return undefined;
  const undone = todos.filter(({ status }) => status !== "completed").length;
  const left = undone === 0 ? [] : [`${undone} ${undone === 1 ? "todo is" : "todos are"} open as well.`];
  return [...open, ...left].join(" ");
}

function toOpenPlan(plan: Plan | undefined): string | undefined {
  if (plan?.status === "planning") return "There is no approved plan yet: call plan_propose.";
  if (plan?.status !== "approved") return undefined;
  const step = currentStep(plan);
  if (step === undefined) return undefined;
  const left = plan.steps.filter((each) => !isDone(each)).length;
  const more = left > 1 ? `, ${left - 1} more after it` : "";
  return `The plan is not done: step ${describeStep(step)} is open${more}. Do it and call plan_complete_step.`;
}

function toOpenJob(state: TaskState | undefined): string | undefined {
  if (state === undefined || !isOpen(state)) return undefined;
  const next = state.remaining_queue?.[0];
  const gate = state.completion_gate === undefined ? "" : ` It is done when: ${state.completion_gate}.`;
  const hint =
    next === undefined
      ? "Go on, and report with task_state_update."
      : `Go on with ${next}; name what is finished in \`done\` of task_state_update.`;
  return `The job is not done: ${describeCounts(state)}.${gate} ${hint}`;
}

/** Bytes of a state note where the caller does not know the window. */
const NOTE_BYTES = 4_000;
/** Of items that are open: all, then fewer and fewer. */
const SHOWN = [Number.POSITIVE_INFINITY, 20, 8, 3];

/**
 * For `RunOptions.stateNote`: everything word for word while it fits into `maxBytes`; then what is done becomes a number, notes go, and
 * of what is open the first stay and the rest is a number, with the tool that shows it. Aim, gate, counts and hash of the task state stay
 * always, also where they alone are longer. Empty when there is nothing.
 */
export function describeState(
  state: AgentState,
  { maxBytes = NOTE_BYTES }: { maxBytes?: number } = {},
): string {
  const forms = SHOWN.flatMap((items, index) => [
    ...(index === 0 ? [toNote(state, { items, whole: true })] : []),
    toNote(state, { items, whole: false }),
  ]);
  return forms.find((form) => byteLength(form) <= maxBytes) ?? forms.at(-1) ?? "";
}

interface Detail {
  items: number;
  /** With what is done, and with notes. */
  whole: boolean;
}

function toNote({ todos = [], plan, taskState }: AgentState, detail: Detail): string {
  const parts = [toTodoNote(todos, detail), toPlanNote(plan, detail), toJobNote(taskState, detail)];
  return parts.filter((part) => part !== "").join("\n\n");
}

function toTodoNote(todos: readonly Todo[], { items, whole }: Detail): string {
  if (todos.length === 0) return "";
  const open = todos.filter(({ status }) => status !== "completed");
  const shown = whole ? todos : open.slice(0, items);
  const rest = whole ? 0 : open.length - shown.length;
  return [
    `Todos (${todos.length - open.length} of ${todos.length} completed):`,
    ...shown.map((todo) => `${todo.id}. [${todo.status}] ${todo.text}${toNotes(todo.notes, whole)}`),
    ...(rest > 0 ? [`and ${rest} more: todo_list shows them`] : []),
  ].join("\n");
}

function toPlanNote(plan: Plan | undefined, { items, whole }: Detail): string {
  if (plan === undefined) return "";
  if (plan.steps.length === 0) return "Plan: none yet. Look around, then call plan_propose.";
  const open = plan.steps.filter((step) => !isDone(step));
  const shown = whole ? plan.steps : open.slice(0, items);
  const rest = whole ? 0 : open.length - shown.length;
  return [
    `Plan "${plan.title}" (${plan.status}, ${plan.steps.length - open.length} of ${plan.steps.length} steps completed):`,
    ...shown.map((step) => {
      const after = step.dependencies.length === 0 ? "" : ` (after ${step.dependencies.join(", ")})`;
      return `${step.id}. [${step.status}] ${describeStep(step, { number: false })}${after}${toNotes(step.notes, whole)}`;
    }),
    ...(rest > 0 ? [`and ${rest} more: plan_complete_step names the next one`] : []),
  ].join("\n");
}

function toNotes(notes: string | undefined, whole: boolean): string {
  return whole && notes !== undefined ? ` (${notes})` : "";
}

const FIELDS = [
  "objective",
  "completion_gate",
  "next_action",
  "last_error",
  "recovery_instruction",
] as const satisfies readonly (keyof TaskState)[];
/** Of a queue, however much room there is: the tool has the rest. */
const SHOWN_QUEUE = 20;
const SHOWN_RENAMES = 10;

function toJobNote(state: TaskState | undefined, { items }: Detail): string {
  if (state === undefined) return "";
  return describeTaskState(state, { items: Math.min(items, SHOWN_QUEUE) });
}

/** All of a task state but the end of its long lists, which become a number. */
export function describeTaskState(state: TaskState, { items }: { items: number }): string {
  const { remaining_queue: queue = [], rename_map: renames = {} } = state;
  const renamed = Object.entries(renames).map(([from, to]) => `${from} -> ${to}`);
  const rest = queue.length > items ? " (task_state_get shows more)" : "";
  return [
    "Task state:",
    ...FIELDS.flatMap((field) => (state[field] === undefined ? [] : [`${field}: ${state[field]}`])),
    describeCounts(state),
    queue.length === 0 ? "" : `next: ${toExamples(queue, items)}${rest}`,
    renamed.length === 0 ? "" : `renamed: ${toExamples(renamed, Math.min(items, SHOWN_RENAMES))}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}
