/** What stays below the transcript: todos and queue while there are any, the state of the run, the input, the status. */
import { truncateToWidth, visibleWidth, type Component } from "@mariozechner/pi-tui";
import type { Plan, TaskState, Todo } from "../../core/index.ts";
import { formatTokens } from "../format.ts";
import { formatPlan, formatTaskState } from "../progress.ts";
import type { Style } from "../style.ts";
import { toTerminalLine } from "../terminal-text.ts";
import type { ScreenStatus } from "./controller.ts";

export interface BottomState {
  /** What is going on; `undefined` while nothing runs. */
  activity: string | undefined;
  /** How the last run went. */
  summary: string;
  todos: readonly Todo[];
  plan: Plan | undefined;
  taskState: TaskState | undefined;
  queue: readonly QueuedText[];
  status: ScreenStatus;
  /** Share of the prompts that the server had read already, from 0 to 1. */
  cacheRatio: number | undefined;
  /** What keys do now, or a message that takes its place for a moment. */
  hint: string;
  spinnerFrame: number;
}

export interface QueuedText {
  text: string;
  when: "next" | "later";
}

const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const MOST_TODOS = 6;
const MOST_QUEUED = 3;
/** In a lower terminal only what is needed most is shown. */
const ROOMY_ROWS = 14;
/** Columns at both sides of the status, and at least between its halves. */
const STATUS_MARGIN = 4;
const STATUS_GAP = 2;

export interface BottomOptions {
  style: Style;
  rows: () => number;
  state: () => BottomState;
  /** The input, or the question that takes its place. */
  input: () => Component;
}

export function createBottom({ style, rows, state, input }: BottomOptions): Component {
  return {
    invalidate: () => input().invalidate(),
    render(width) {
      const now = state();
      const status = drawStatus(now, { width, style });
      if (rows() < ROOMY_ROWS) return [drawActivity(now, style), ...input().render(width), status];
      return [
        "",
        ...drawProgress(now, style),
        ...drawTodos(now, style),
        ...drawQueue(now.queue, style),
        drawActivity(now, style),
        ...input().render(width),
        status,
        `  ${now.hint}`,
      ];
    },
  };
}

function drawActivity({ activity, summary, status, spinnerFrame }: BottomState, style: Style): string {
  const idle = [summary, toTerminalLine(status.background ?? "")].filter((text) => text !== "").join(" · ");
  if (activity === undefined) return idle === "" ? "" : style.dim(`  ${idle}`);
  const [phase = "", ...rest] = activity.split(" · ");
  const more = rest.length === 0 ? "" : style.dim(` · ${rest.join(" · ")}`);
  return `${style.cyan(SPINNER[spinnerFrame % SPINNER.length] ?? "")} ${phase}${more}`;
}

/** The plan while it is followed, and how far a job over many things is. */
function drawProgress({ plan, taskState, activity }: BottomState, style: Style): string[] {
  if (activity === undefined) return [];
  const lines = [
    plan === undefined || plan.status === "abandoned" || plan.status === "completed" ? "" : formatPlan(plan),
    taskState === undefined ? "" : formatTaskState(taskState),
  ];
  return lines.filter((line) => line !== "").map((line) => style.dim(`  ${line}`));
}

function drawTodos({ todos, activity }: BottomState, style: Style): string[] {
  const open = todos.filter(({ status }) => status !== "completed");
  if (activity === undefined || open.length === 0) return [];
  const completed = todos.length - open.length;
  const first = Math.max(0, Math.min(todos.indexOf(open[0]!) - 1, todos.length - MOST_TODOS));
  const shown = todos.slice(first, first + MOST_TODOS).map((todo) => drawTodo(todo, style));
  return [style.dim(`  ${completed} of ${todos.length} done`), ...shown];
}

function drawTodo({ status, text }: Todo, style: Style): string {
  const line = toTerminalLine(text);
  if (status === "completed") return `  ${style.green("✓")} ${style.dim(line)}`;
  if (status === "in_progress") return `  ${style.cyan("●")} ${line}`;
  if (status === "blocked") return `  ${style.red("■")} ${line}`;
  return `  ${style.dim("○")} ${line}`;
}

function drawQueue(queue: readonly QueuedText[], style: Style): string[] {
  const lines = queue.slice(0, MOST_QUEUED).map(({ text, when }) => {
    return style.dim(`  ↳ ${when === "next" ? "next" : "after this run"}: ${toTerminalLine(text)}`);
  });
  if (queue.length > MOST_QUEUED) lines.push(style.dim(`  ↳ and ${queue.length - MOST_QUEUED} more`));
  return lines;
}

/** What can be missed goes first where there is no room. */
const DISPENSABLE = ["sessionId", "server", "model", "cache", "sandbox"] as const;
/** Of a name that has to be short; the window matters more than its end. */
const SHORT_NAME = 24;
const LEAST_NAME = 6;

function drawStatus(
  { status, cacheRatio }: BottomState,
  { width, style }: { width: number; style: Style },
): string {
  const { mode } = status;
  const shown = {
    model: toTerminalLine(status.model),
    server: toTerminalLine(status.server),
    cache: cacheRatio === undefined ? "" : `${Math.floor(cacheRatio * 100)}% cached`,
    sandbox: toTerminalLine(status.sandbox ?? ""),
    sessionId: toTerminalLine(status.sessionId ?? ""),
  };
  const join = (parts: readonly string[]) => parts.filter((part) => part !== "").join(" · ");
  const left = () => join([shown.model, shown.server, formatWindow(status), shown.cache]);
  const right = () => join([`${mode} mode`, shown.sandbox, shown.sessionId]);
  const room = width - STATUS_MARGIN;
  for (const name of DISPENSABLE) {
    if (visibleWidth(left()) + STATUS_GAP + visibleWidth(right()) > room)
      shown[name] = name === "model" ? shortenName(shown.model, SHORT_NAME) : "";
  }
  const end = right();
  const over = visibleWidth(left()) + STATUS_GAP + visibleWidth(end) - room;
  if (over > 0)
    shown.model = shortenName(shown.model, Math.max(LEAST_NAME, visibleWidth(shown.model) - over));
  const start = truncateToWidth(left(), Math.max(1, room - STATUS_GAP - visibleWidth(end)), "…");
  const space = " ".repeat(Math.max(STATUS_GAP, room - visibleWidth(start) - visibleWidth(end)));
  return style.dim(`  ${start}${space}${end}`);
}

/** Of a path its last part. */
function shortenName(name: string, width: number): string {
  const last = name.split("/").findLast((part) => part !== "") ?? name;
  // Its reset would end the style of what follows.
  return truncateToWidth(last, width, "…").replaceAll("\u001b[0m", "");
}

function formatWindow({ contextTokens, usedTokens }: ScreenStatus): string {
  if (contextTokens === undefined) return usedTokens === undefined ? "" : `${formatTokens(usedTokens)} used`;
  if (usedTokens === undefined) return `window ${formatTokens(contextTokens)}`;
  const percent = Math.round((usedTokens * 100) / Math.max(1, contextTokens));
  return `${formatTokens(usedTokens)}/${formatTokens(contextTokens)} (${percent}%)`;
}
