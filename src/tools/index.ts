/** The door of the tools: what the model may call. */
import type { Sandbox } from "../core/sandbox.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";
import { createEditTool } from "./edit.ts";
import { createGetTimeTool } from "./get-time.ts";
import { createGitAddTool } from "./git-add.ts";
import { createGitBranchTool } from "./git-branch.ts";
import { createGitCommitTool } from "./git-commit.ts";
import { createGitDiffTool } from "./git-diff.ts";
import { createGitStatusTool } from "./git-status.ts";
import { createGlobTool } from "./glob.ts";
import { createGrepTool } from "./grep.ts";
import { createLsTool } from "./ls.ts";
import { createMkdirTool } from "./mkdir.ts";
import { createReadTool } from "./read.ts";
import { createShellTool } from "./shell.ts";
import { createTaskReconcileTool } from "./task-reconcile.ts";
import { createTaskStateGetTool } from "./task-state-get.ts";
import type { TaskStateHolder } from "./task-state-holder.ts";
import { createTaskStateUpdateTool, type TaskStateToolOptions } from "./task-state-update.ts";
import { createTodoAddTool } from "./todo-add.ts";
import { createTodoCompleteTool } from "./todo-complete.ts";
import { createTodoListTool } from "./todo-list-tool.ts";
import type { TodoList } from "./todo-list.ts";
import { createTodoUpdateTool } from "./todo-update.ts";
import { createWriteTool } from "./write.ts";

export { isHarmlessCommand } from "../core/harmless-command.ts";
export { createPlanHolder, type PlanHolder } from "./plan-holder.ts";
export { createTaskStateHolder, type TaskStateHolder } from "./task-state-holder.ts";
export { createTodoList, type TodoList } from "./todo-list.ts";

export interface ToolSetOptions {
  workspace: Workspace;
  sandbox: Sandbox;
  /** Absent: no todo tools. */
  todos?: TodoList;
  /** Absent: no `task_state_*` tools. */
  taskState?: TaskStateHolder;
  /** As `createPlanTools` makes them; only sessions that use plan mode pay for them. */
  planTools?: readonly Tool[];
  now: () => Date;
  /** Auto mode may run commands that nothing isolates. */
  allowUnsandboxed?: boolean;
}

/** Every tool, in the order in which the model sees them: the order is part of the prompt and stays. */
export function createTools({
  workspace,
  sandbox,
  todos,
  taskState,
  planTools = [],
  now,
  allowUnsandboxed = false,
}: ToolSetOptions): readonly Tool[] {
  const commands = { sandbox, allowUnsandboxed };
  return [
    createReadTool(workspace),
    createWriteTool(workspace),
    createEditTool(workspace),
    createGlobTool(workspace),
    createGrepTool(workspace),
    createLsTool(workspace),
    createMkdirTool(workspace),
    createShellTool({ ...commands, outputLog: workspace.outputs }),
    createGitStatusTool(commands),
    createGitDiffTool(commands),
    createGitAddTool(commands),
    createGitCommitTool(commands),
    createGitBranchTool(commands),
    ...(todos === undefined ? [] : createTodoTools(todos)),
    ...(taskState === undefined ? [] : createTaskStateTools({ holder: taskState, workspace, now })),
    ...planTools,
    createGetTimeTool({ now }),
  ];
}

function createTodoTools(todos: TodoList): Tool[] {
  return [
    createTodoAddTool(todos),
    createTodoCompleteTool(todos),
    createTodoUpdateTool(todos),
    createTodoListTool(todos),
  ];
}

function createTaskStateTools(options: TaskStateToolOptions): Tool[] {
  return [
    createTaskStateUpdateTool(options),
    createTaskStateGetTool(options.holder),
    createTaskReconcileTool(options),
  ];
}
