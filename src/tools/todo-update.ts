import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import { TODO_STATUSES } from "../core/todo.ts";
import type { Tool } from "../core/tool.ts";
import {
  describeProgress,
  describeUnknownTodo,
  findTooLong,
  toProgress,
  type TodoList,
} from "./todo-list.ts";

export function createTodoUpdateTool(list: TodoList): Tool {
  return defineTool({
    name: "todo_update",
    description: "Change a todo",
    parameters: z.object({ todo_id: z.int(), status: z.enum(TODO_STATUSES), notes: z.optional(z.string()) }),
    aliases: { todo_id: ["id"] },
    access: "control",
    async execute({ todo_id, status, notes }, context) {
      const tooLong = findTooLong({ notes });
      if (tooLong !== undefined) return { ok: false, error: tooLong };
      const todo = list.update(todo_id, { status, notes });
      if (todo === undefined) return { ok: false, error: describeUnknownTodo(todo_id, list) };
      context.emit({ type: "todos_changed", todos: list.todos });
      if (status !== "completed") return { ok: true, output: `${status}: ${todo.text}` };
      return { ok: true, output: `completed: ${todo.text} (${describeProgress(list)})`, ...toProgress(list) };
    },
  });
}
