import { describe, expect, it } from "vitest";
import type { Plan, PlanStep } from "../../src/core/plan.ts";
import { describeOpenWork, describeState } from "../../src/core/state-note.ts";
import type { TaskState } from "../../src/core/task-state.ts";
import type { Todo } from "../../src/core/todo.ts";

const todos: Todo[] = [
  { id: 1, text: "read the rules", status: "completed", notes: "three pages" },
  { id: 2, text: "never touch legal.md", status: "in_progress" },
  { id: 3, text: "report", status: "pending", notes: "in German" },
];

const step = (id: number, more: Partial<PlanStep> = {}): PlanStep => ({
  id,
  description: `do part ${id}`,
  dependencies: [],
  status: "pending",
  ...more,
});

const plan: Plan = {
  title: "Rename",
  status: "approved",
  steps: [
    step(1, { status: "completed", notes: "12 uses" }),
    step(2, { status: "in_progress", verification: "npm test", dependencies: [1] }),
    step(3, { dependencies: [2] }),
  ],
};

const queue = Array.from({ length: 300 }, (_, index) => `docs/chapter-${index}.md`);
const taskState: TaskState = {
  objective: "translate every chapter",
  completion_gate: "300 files in out/",
  total_count: 420,
  processed_count: 120,
  remaining_queue: queue,
  rename_map: { "a.md": "b.md" },
  last_error: "disk full",
  recovery_instruction: "look into out/ first",
  next_action: "translate chapter 0",
  inventory_hash: "0123456789abcdef",
};

describe("the note of what the agent keeps", () => {
  it("is empty when there is nothing", () => {
    expect(describeState({})).toBe("");
    expect(describeState({ todos: [] })).toBe("");
  });

  it("says everything word for word while there is room", () => {
    expect(describeState({ todos, plan, taskState: { objective: "o" } })).toBe(
      `Todos (1 of 3 completed):
1. [completed] read the rules (three pages)
2. [in_progress] never touch legal.md
3. [pending] report (in German)

Plan "Rename" (approved, 1 of 3 steps completed):
1. [completed] do part 1 (12 uses)
2. [in_progress] do part 2 (verify: npm test) (after 1)
3. [pending] do part 3 (after 2)

Task state:
objective: o`,
    );
  });

  it("gives a long queue as counts, hash and the next items", () => {
    const note = describeState({ taskState });
    expect(note).toContain("objective: translate every chapter\ncompletion_gate: 300 files in out/");
    expect(note).toContain("120 of 420 processed, 300 remaining (hash 0123456789abcdef)");
    expect(note).toContain("next: docs/chapter-0.md, docs/chapter-1.md,");
    expect(note).toContain("docs/chapter-19.md and 280 more (task_state_get shows more)");
    expect(note).toContain("recovery_instruction: look into out/ first");
    expect(note).toContain("renamed: a.md -> b.md");
    expect(note.length).toBeLessThan(1_000);
  });

  it("gets shorter when there is less room, and says what it leaves out", () => {
    const many = Array.from({ length: 100 }, (_, index): Todo => ({
      id: index + 1,
      text: `todo number ${index + 1} with some words`,
      status: index < 50 ? "completed" : "pending",
    }));
    const long = { ...plan, steps: Array.from({ length: 40 }, (_, index) => step(index + 1)) };
    const state = { todos: many, plan: long, taskState };
    const whole = describeState(state, { maxBytes: 20_000 });
    expect(whole).toContain("1. [completed] todo number 1 with some words\n");
    for (const maxBytes of [5_000, 4_000, 2_000, 1_200]) {
      const note = describeState(state, { maxBytes });
      expect(Buffer.byteLength(note)).toBeLessThanOrEqual(maxBytes);
      expect(note).toContain("Todos (50 of 100 completed):\n51. [pending] todo number 51 with some words");
      expect(note).toContain("1. [pending] do part 1");
      for (const always of [
        "translate every chapter",
        "300 files in out/",
        "120 of 420",
        "0123456789abcdef",
        queue[0],
      ])
        expect(note).toContain(always);
    }
    const short = describeState(state, { maxBytes: 1_200 });
    expect(short).toContain("and 42 more: todo_list shows them");
    expect(short).toContain("and 32 more: plan_complete_step names the next one");
    expect(describeState(state, { maxBytes: 1 })).toContain("objective: translate every chapter");
  });

  it("says that a plan is still wanted", () => {
    const wanted: Plan = { title: "", steps: [], status: "planning" };
    expect(describeState({ plan: wanted })).toBe("Plan: none yet. Look around, then call plan_propose.");
  });
});

describe("what is still open", () => {
  it("is nothing without a plan or a job, whatever the todos say", () => {
    expect(describeOpenWork({})).toBeUndefined();
    expect(describeOpenWork({ todos })).toBeUndefined();
    expect(describeOpenWork({ todos, taskState: { objective: "think" } })).toBeUndefined();
    for (const status of ["proposed", "completed", "abandoned"] as const)
      expect(describeOpenWork({ plan: { ...plan, status } })).toBeUndefined();
  });

  it("is the step of the plan that is next", () => {
    expect(describeOpenWork({ plan, todos })).toBe(
      "The plan is not done: step 2. do part 2 (verify: npm test) is open, 1 more after it. Do it and call plan_complete_step. 2 todos are open as well.",
    );
    expect(describeOpenWork({ plan: { ...plan, status: "planning" } })).toBe(
      "There is no approved plan yet: call plan_propose.",
    );
  });

  it("is what the job has not processed", () => {
    expect(describeOpenWork({ taskState })).toBe(
      "The job is not done: 120 of 420 processed, 300 remaining (hash 0123456789abcdef). It is done when: 300 files in out/. Go on with docs/chapter-0.md; name what is finished in `done` of task_state_update.",
    );
    expect(describeOpenWork({ taskState: { total_count: 3, processed_count: 2 } })).toBe(
      "The job is not done: 2 of 3 processed. Go on, and report with task_state_update.",
    );
    expect(describeOpenWork({ taskState: { total_count: 3, processed_count: 3 } })).toBeUndefined();
    expect(
      describeOpenWork({ taskState: { total_count: 3, processed_count: 3, remaining_queue: [] } }),
    ).toBeUndefined();
  });
});
