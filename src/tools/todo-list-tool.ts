import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Todo } from "../core/todo.ts";
import type { Tool } from "../core/tool.ts";
import type { TodoList } from "./todo-list.ts";

export function createTodoListTool(list: TodoList): Tool {
  return defineTool({
    name: "todo_list",
    description: "Show the todos",
    parameters: z.object({}),
    access: "control",
    execute: async () => ({ ok: true, output: list.todos.map(toLine).join("\n") || "(empty)" }),
  });
}

function toLine({ id, text, status, notes }: Todo): string {
  return `${id}. [${status}] ${text}${notes === undefined ? "" : ` (${notes})`}`;
}
