import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import type { Tool } from "../core/tool.ts";
import { findTooLong, type TodoList } from "./todo-list.ts";

const MAX_TODOS = 200;

export function createTodoAddTool(list: TodoList): Tool {
  return defineTool({
    name: "todo_add",
    description: "Add a todo",
    parameters: z.object({ text: z.string(), notes: z.optional(z.string()) }),
    aliases: { text: ["description", "task", "title", "content"] },
    access: "control",
    async execute({ text, notes }, context) {
      const step = text.trim();
      if (step === "") return { ok: false, error: "`text` is empty; say what is to be done" };
      const tooLong = findTooLong({ text: step, notes });
      if (tooLong !== undefined) return { ok: false, error: tooLong };
      if (list.todos.length >= MAX_TODOS) {
        return { ok: false, error: `the list is full with ${MAX_TODOS} todos; complete some first` };
      }
      const { id } = list.add(step, notes);
      context.emit({ type: "todos_changed", todos: list.todos });
      return { ok: true, output: `added: ${step}`, todo_id: id };
    },
  });
}
