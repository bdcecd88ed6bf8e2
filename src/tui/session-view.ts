/** A stored session in plain lines: the conversation as it would go on, then what else there is to go on from. */
import { messageText, toPlanText, type Message, type Todo } from "../core/index.ts";
import type { OwnNote } from "../core/message.ts";
import type { SessionState } from "../core/session.ts";
import { formatCounted } from "./format.ts";
import { formatPlan, formatTaskState } from "./progress.ts";
import { toTerminalLine, toTerminalText } from "./terminal-text.ts";

const RESULT_CHARACTERS = 400;
const ARGUMENT_CHARACTERS = 200;

/** What words of ours are, in front of them. */
export const OWN_NOTES: Readonly<Record<OwnNote, string>> = {
  nudge: "asked the model again",
  compaction: "what was here before, shortened",
};

const TODO_MARKS: Readonly<Record<Todo["status"], string>> = {
  pending: "[ ]",
  in_progress: "[>]",
  completed: "[x]",
  blocked: "[!]",
};

/** Safe text, without the system message; an empty line between two messages. */
export function formatSession(state: SessionState): string[] {
  const messages = state.messages.filter(({ role }) => role !== "system");
  const todos = state.todos.length === 0 ? [] : ["", ...formatTodos(state)];
  const rest = [formatEnd(state), ...formatPlanOf(state), ...formatTask(state), ...todos];
  return [...messages.flatMap((message) => [...formatMessage(message), ""]), ...rest];
}

export function formatTodos({ todos }: Pick<SessionState, "todos">): string[] {
  return todos.map(({ id, text, status, notes }) => {
    const more = notes === undefined ? "" : ` (${toTerminalLine(notes)})`;
    return `${TODO_MARKS[status]} ${id}. ${toTerminalLine(text)}${more}`;
  });
}

function formatMessage(message: Message): string[] {
  const text = toTerminalText(messageText(message)).trim();
  if (message.role === "tool") return [`  = ${text.slice(0, RESULT_CHARACTERS)}`];
  if (message.role === "system") return text.split("\n");
  if (message.note !== undefined) return `· ${OWN_NOTES[message.note]}: ${text}`.split("\n");
  if (message.role === "user") return `> ${text === "" ? "(image)" : text}`.split("\n");
  const calls = (message.tool_calls ?? []).map(({ function: call }) => {
    const input = toTerminalLine(call.arguments).slice(0, ARGUMENT_CHARACTERS);
    return `  ${toTerminalLine(call.name)} ${input}`;
  });
  return [...(text === "" ? [] : text.split("\n")), ...calls];
}

function formatEnd({ requests, lastReason, interrupted }: SessionState): string {
  const count = formatCounted(requests.length, "request");
  const changed = requests.filter(({ checkpoint }) => checkpoint !== undefined).length;
  const files = changed === 0 ? "" : `, ${changed} of them with changed files`;
  const cut = interrupted.length === 0 ? "" : ` during ${interrupted.length} calls`;
  return `${count}${files}; ${lastReason === undefined ? `not ended${cut}` : `ended: ${lastReason}`}`;
}

function formatPlanOf({ plan }: SessionState): string[] {
  if (plan === undefined) return [];
  const steps = plan.steps.length === 0 ? [] : toTerminalText(toPlanText(plan)).trimEnd().split("\n");
  return ["", formatPlan(plan), ...steps.map((line) => `  ${line}`)];
}

function formatTask({ taskState }: SessionState): string[] {
  if (taskState === undefined) return [];
  const { objective, completion_gate: gate, next_action: next, last_error: error } = taskState;
  const facts = Object.entries({ objective, "done when": gate, next, "last error": error });
  const lines = facts.flatMap(([name, text]) =>
    text === undefined ? [] : [`  ${name}: ${toTerminalLine(text)}`],
  );
  return ["", formatTaskState(taskState) || "task:", ...lines];
}
