import { beforeEach, describe, expect, it } from "vitest";
import type { Tool, ToolEvent } from "../../src/core/tool.ts";
import { createGetTimeTool } from "../../src/tools/get-time.ts";
import { createTodoAddTool } from "../../src/tools/todo-add.ts";
import { createTodoCompleteTool } from "../../src/tools/todo-complete.ts";
import { createTodoListTool } from "../../src/tools/todo-list-tool.ts";
import { createTodoList, type TodoList } from "../../src/tools/todo-list.ts";
import { createTodoUpdateTool } from "../../src/tools/todo-update.ts";
import { callTool } from "./_commands.ts";

let list: TodoList;
let tools: Readonly<Record<"add" | "complete" | "update" | "show", Tool>>;
let events: ToolEvent[];

beforeEach(() => {
  list = createTodoList();
  events = [];
  tools = {
    add: createTodoAddTool(list),
    complete: createTodoCompleteTool(list),
    update: createTodoUpdateTool(list),
    show: createTodoListTool(list),
  };
});

const call = (name: keyof typeof tools, input: unknown) => callTool(tools[name], input, { events });

describe("the todo list", () => {
  it("is filled, worked off and shown", async () => {
    expect(await call("show", {})).toEqual({ ok: true, output: "(empty)" });
    expect(await call("add", { text: "Read the file" })).toEqual({
      ok: true,
      output: "added: Read the file",
      todo_id: 1,
    });
    expect(await call("add", { text: "Write it", notes: "as JSON" })).toMatchObject({ todo_id: 2 });
    expect(await call("complete", { todo_id: "1" })).toEqual({
      ok: true,
      output: "completed: Read the file (1 of 2 completed)",
      all_complete: false,
      completed_count: 1,
      total_count: 2,
    });
    expect(await call("update", { todo_id: 2, status: "in_progress" })).toEqual({
      ok: true,
      output: "in_progress: Write it",
    });
    expect(await call("show", {})).toEqual({
      ok: true,
      output: "1. [completed] Read the file\n2. [in_progress] Write it (as JSON)",
    });
    expect(await call("complete", { todo_id: 2 })).toEqual({
      ok: true,
      output: "completed: Write it (all 2 completed)",
      all_complete: true,
      completed_count: 2,
      total_count: 2,
    });
  });

  it("tells about each change with the whole list, and about nothing else", async () => {
    await call("add", { text: "a" });
    await call("complete", { todo_id: 1 });
    await call("complete", { todo_id: 1 });
    await call("show", {});
    expect(events).toEqual([
      { type: "todos_changed", todos: [{ id: 1, text: "a", status: "pending" }] },
      { type: "todos_changed", todos: [{ id: 1, text: "a", status: "completed" }] },
    ]);
  });

  it("says when a todo is already completed", async () => {
    await call("add", { text: "a" });
    await call("complete", { todo_id: 1 });
    expect(await call("complete", { todo_id: 1 })).toEqual({
      ok: false,
      error: "already completed: a",
      already_completed: true,
      all_complete: true,
      completed_count: 1,
      total_count: 1,
    });
  });

  it("says how far the list is when an update completes a todo", async () => {
    await call("add", { text: "a" });
    await call("add", { text: "b" });
    expect(await call("update", { todo_id: 1, status: "blocked", notes: "no key" })).toEqual({
      ok: true,
      output: "blocked: a",
    });
    expect(await call("update", { todo_id: 2, status: "completed" })).toMatchObject({
      output: "completed: b (1 of 2 completed)",
      all_complete: false,
      completed_count: 1,
    });
  });

  it("takes its parameters under the names that models give them", async () => {
    expect(await call("add", { description: "Read" })).toMatchObject({ ok: true, output: "added: Read" });
    expect(await call("update", { id: 1, status: "in_progress" })).toMatchObject({ ok: true });
    expect(await call("complete", { id: 1 })).toMatchObject({ ok: true });
  });

  it("takes no text that would fill the window", async () => {
    const long = await call("add", { text: "x".repeat(501) });
    expect(long).toEqual({ ok: false, error: "`text` has 501 characters, at most 500; say it shorter" });
    await call("add", { text: "a" });
    const notes = { todo_id: 1, status: "pending", notes: "x".repeat(1_001) };
    expect(await call("update", notes)).toMatchObject({ ok: false });
    expect(list.todos).toEqual([{ id: 1, text: "a", status: "pending" }]);
  });

  it("names the ids that exist when one does not", async () => {
    expect(await call("complete", { todo_id: 3 })).toMatchObject({
      ok: false,
      error: "no todo 3: the list is empty",
    });
    await call("add", { text: "a" });
    expect(await call("update", { todo_id: -1, status: "pending" })).toMatchObject({
      error: "no todo -1; there are 1",
    });
  });

  it("refuses what makes no sense and changes nothing", async () => {
    await call("add", { text: "a" });
    for (const [name, input] of [
      ["add", {}],
      ["add", { text: "  " }],
      ["complete", { todo_id: "one" }],
      ["complete", { todo_id: 1.5 }],
      ["update", { todo_id: 1, status: "finished" }],
      ["update", { todo_id: 1 }],
    ] as const) {
      expect(await call(name, input)).toMatchObject({ ok: false });
    }
    expect(list.todos).toEqual([{ id: 1, text: "a", status: "pending" }]);
  });

  it("goes on from a list that was kept, without using an id twice", () => {
    const kept = createTodoList([{ id: 7, text: "old", status: "completed" }]);
    expect(kept.add("new").id).toBe(8);
    expect(kept.todos.map(({ text }) => text)).toEqual(["old", "new"]);
    kept.set([{ id: 7, text: "old", status: "completed" }]);
    expect(kept.todos.map(({ id }) => id)).toEqual([7]);
  });
});

describe("the time", () => {
  it("is local, with its weekday and its distance from UTC", async () => {
    const tool = createGetTimeTool({ now: () => new Date(2026, 0, 2, 3, 4, 59) });
    expect(await callTool(tool, {})).toEqual({
      ok: true,
      output: "2026-01-02 03:04",
      weekday: "Friday",
      utc_offset: expect.stringMatching(/^[+-]\d\d:\d\d$/),
    });
  });

  it("gives offsets on both sides of UTC", async () => {
    for (const [minutes, offset] of [
      [-330, "+05:30"],
      [210, "-03:30"],
      [0, "+00:00"],
    ] as const) {
      const time = new Date(2026, 0, 2);
      time.getTimezoneOffset = () => minutes;
      expect(await callTool(createGetTimeTool({ now: () => time }), {})).toMatchObject({
        utc_offset: offset,
      });
    }
  });
});
