import type { Todo, TodoStatus } from "../core/todo.ts";

/** The list that the `todo_*` tools work on and that a session keeps. Its todos are never changed in place. */
export interface TodoList {
  readonly todos: readonly Todo[];
  add(text: string, notes?: string): Todo;
  /** The changed todo, or `undefined` when there is none with this id. */
  update(id: number, change: { status: TodoStatus; notes?: string | undefined }): Todo | undefined;
  /** Puts back what a session has kept. */
  set(todos: readonly Todo[]): void;
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
    set(next) {
      todos = [...next];
    },
  };
}

/** Fields of a result that say how far the list is. */
export interface TodoProgress {
  all_complete: boolean;
  completed_count: number;
  total_count: number;
  readonly [field: string]: unknown;
}

export function toProgress({ todos }: TodoList): TodoProgress {
  const completed = todos.filter(({ status }) => status === "completed").length;
  return {
    all_complete: todos.length > 0 && completed === todos.length,
    completed_count: completed,
    total_count: todos.length,
  };
}

/** How far the list is, such as `2 of 5 completed`. */
export function describeProgress(list: TodoList): string {
  const { all_complete: isAll, completed_count: completed, total_count: total } = toProgress(list);
  return isAll ? `all ${completed} completed` : `${completed} of ${total} completed`;
}

/** Says which ids there are. */
export function describeUnknownTodo(id: number, { todos }: TodoList): string {
  if (todos.length === 0) return `no todo ${id}: the list is empty`;
  return `no todo ${id}; there are ${todos.map((todo) => todo.id).join(", ")}`;
}

const MAX_TEXT = 500;
const MAX_NOTES = 1_000;

/** What is too long for a list that the model reads again and again; `undefined` when nothing is. */
export function findTooLong({
  text = "",
  notes = "",
}: {
  text?: string;
  notes?: string | undefined;
}): string | undefined {
  if (text.length > MAX_TEXT)
    return `\`text\` has ${text.length} characters, at most ${MAX_TEXT}; say it shorter`;
  if (notes.length > MAX_NOTES)
    return `\`notes\` has ${notes.length} characters, at most ${MAX_NOTES}; say it shorter`;
  return undefined;
}
