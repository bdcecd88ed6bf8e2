import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import { describeProgress, describeUnknownTodo, toProgress, type TodoList } from "./todo-list.ts";

export function createTodoCompleteTool(list: TodoList): Tool {
  return defineTool({
    name: "todo_complete",
    description: "Complete a todo",
    parameters: z.object({ todo_id: z.int() }),
    aliases: { todo_id: ["id"] },
    access: "control",
    async execute({ todo_id }, context) {
      const before = list.todos.find(({ id }) => id === todo_id);
      if (before === undefined) return { ok: false, error: describeUnknownTodo(todo_id, list) };
      if (before.status === "completed") {
        return {
          ok: false,
          error: `already completed: ${before.text}`,
          already_completed: true,
          ...toProgress(list),
        };
      }
      list.update(todo_id, { status: "completed" });
      context.emit({ type: "todos_changed", todos: list.todos });
      return {
        ok: true,
        output: `completed: ${before.text} (${describeProgress(list)})`,
        ...toProgress(list),
      };
    },
  });
}
