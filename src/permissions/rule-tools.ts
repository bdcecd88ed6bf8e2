/** Names of tools in rules. A name that no tool can have would be a rule that never counts, so it is refused. */
import { matchesText } from "./pattern.ts";

/** In rules that ask or deny: every tool for files. */
export const FILES = "files";

/** Tools that only read files, and those that change them. */
const READING: readonly string[] = ["read", "ls", "glob", "grep"];
const CHANGING: readonly string[] = ["write", "edit", "mkdir"];
const FILE_TOOLS: readonly string[] = [...READING, ...CHANGING];
/** Every tool of our own. */
export const KNOWN_TOOLS: readonly string[] = [
  ...FILE_TOOLS,
  ...(
    "shell git_status git_diff git_add git_commit git_branch todo_list todo_add todo_update todo_complete task_state_update " +
    "task_state_get task_reconcile plan_propose plan_complete_step get_time"
  ).split(" "),
];
/** With these begin the names of tools that others bring. */
const OTHERS: readonly string[] = ["custom_", "mcp_"];

/** For rules that ask or deny: case does not count, and `*` stands for anything. */
export function fitsTool(pattern: string, tool: string): boolean {
  return pattern === FILES ? FILE_TOOLS.includes(tool) : matchesText(pattern, tool, { loose: true });
}

export function isAboutReading(pattern: string): boolean {
  return READING.some((tool) => fitsTool(pattern, tool));
}

export function isAboutFiles(pattern: string): boolean {
  return FILE_TOOLS.some((tool) => fitsTool(pattern, tool));
}

/** Whether a tool may have this exact name. */
export function isTool(name: string): boolean {
  return KNOWN_TOOLS.includes(name) || OTHERS.some((start) => name.startsWith(start));
}

/** Whether there may be a tool that a rule that asks or denies means with this. */
export function mayFitTool(pattern: string): boolean {
  const lower = pattern.toLowerCase();
  if (lower === FILES || isTool(lower)) return true;
  const start = lower.slice(0, Math.max(0, lower.indexOf("*")));
  return (
    KNOWN_TOOLS.some((tool) => fitsTool(lower, tool)) ||
    (lower.includes("*") && OTHERS.some((other) => other.startsWith(start)))
  );
}
