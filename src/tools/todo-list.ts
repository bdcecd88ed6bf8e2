import type { Todo, TodoStatus } from "../core/todo.ts";

/** The list that the `todo_*` tools work on and that a session keeps. Its todos are never changed in place. */
export interface TodoList {
  readonly todos: readonly Todo[];
  add(text: string, notes?: string): Todo;
  /** The changed todo, or `undefined` when there is none with this id. */
  update(id: number, change: { status: TodoStatus; notes?: string | undefined }): Todo | undefined;
}

export function createTodoList(initial: readonly Todo[] = []): TodoList {
  let todos = [...initial];
  return {
    get todos() {
      return todos;
    },
    add(text, notes) {
      const id = Math.max(0, ...todos.map((todo) => todo.id)) + 1;
      const todo: Todo = { id, text, status: "pending", ...(notes ? { notes } : {}) };
      todos = [...todos, todo];
      return todo;
    },
    update(id, { status, notes }) {
      const found = todos.find((todo) => todo.id === id);
      if (found === undefined) return undefined;
      const changed: Todo = { ...found, status, ...(notes ? { notes } : {}) };
      todos = todos.map((todo) => (todo === found ? changed : todo));
      return changed;
    },
  };
}

/** How far the list is, such as `2 of 5 completed`. */
export function describeProgress({ todos }: TodoList): string {
  const completed = todos.filter(({ status }) => status === "completed").length;
  return todos.length > 0 && completed === todos.length
    ? `all ${completed} completed`
    : `${completed} of ${todos.length} completed`;
}

/** Says which ids there are. */
export function describeUnknownTodo(id: number, { todos }: TodoList): string {
  if (todos.length === 0) return `no todo ${id}: the list is empty`;
  return `no todo ${id}; there are ${todos.map((todo) => todo.id).join(", ")}`;
}
