import type { TaskState } from "../core/task-state.ts";

/** The state that the `task_state_*` tools work on and that a session keeps. A state is never changed in place. */
export interface TaskStateHolder {
  /** Absent before the first update. */
  readonly state: TaskState | undefined;
  /** Also to put back what a session has kept. */
  set(state: TaskState | undefined): void;
}

export function createTaskStateHolder(initial?: TaskState): TaskStateHolder {
  let state = initial;
  return {
    get state() {
      return state;
    },
    set(next) {
      state = next;
    },
  };
}
