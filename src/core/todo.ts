/** The agent's own list of steps. It reaches the model only as results of the `todo_*` tools. */
export const TODO_STATUSES = ["pending", "in_progress", "completed", "blocked"] as const;

export type TodoStatus = (typeof TODO_STATUSES)[number];

export interface Todo {
  id: number;
  text: string;
  status: TodoStatus;
  notes?: string;
}
