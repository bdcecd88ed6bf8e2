/** The door of the tools: what the model may call. */
import type { Sandbox } from "../core/sandbox.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";
import { createEditTool } from "./edit.ts";
import { createGlobTool } from "./glob.ts";
import { createGrepTool } from "./grep.ts";
import { createLsTool } from "./ls.ts";
import { createMkdirTool } from "./mkdir.ts";
import { createReadTool } from "./read.ts";
import { createShellTool } from "./shell.ts";
import { createWriteTool } from "./write.ts";

export interface TodoList {
  items: readonly import("../core/todo.ts").Todo[];
}
export const createTodoList = (items: readonly import("../core/todo.ts").Todo[] = []): TodoList => ({
  items,
});

export interface ToolSetOptions {
  workspace: Workspace;
  sandbox: Sandbox;
  /** Absent: no todo tools. */
  todos: TodoList | undefined;
  now: () => Date;
  allowUnsandboxed: boolean;
}

/** Every tool, in the order in which the model sees them. */
export function createTools({ workspace, sandbox, allowUnsandboxed }: ToolSetOptions): readonly Tool[] {
  return [
    createReadTool(workspace),
    createWriteTool(workspace),
    createEditTool(workspace),
    createGlobTool(workspace),
    createGrepTool(workspace),
    createLsTool(workspace),
    createMkdirTool(workspace),
    createShellTool({ sandbox, allowUnsandboxed, outputLog: workspace.outputs }),
  ];
}
