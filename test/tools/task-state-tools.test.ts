import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Tool, ToolEvent, ToolResult } from "../../src/core/tool.ts";
import type { Workspace } from "../../src/core/workspace.ts";
import { createTaskReconcileTool } from "../../src/tools/task-reconcile.ts";
import { createTaskStateGetTool } from "../../src/tools/task-state-get.ts";
import { createTaskStateHolder, type TaskStateHolder } from "../../src/tools/task-state-holder.ts";
import { createTaskStateUpdateTool } from "../../src/tools/task-state-update.ts";
import { openWorkspace } from "../../src/workspace/index.ts";
import { callTool } from "./_commands.ts";

let root: string;
let workspace: Workspace;
let holder: TaskStateHolder;
let tools: Readonly<Record<"update" | "get" | "reconcile", Tool>>;
let events: ToolEvent[];

beforeEach(async () => {
  root = await mkdtemp(join(await realpath(tmpdir()), "lmagent-task-"));
  workspace = await openWorkspace(root, { home: "/nonexistent", stateDir: "/nonexistent/state" });
  holder = createTaskStateHolder();
  events = [];
  tools = {
    update: createTaskStateUpdateTool({ holder, workspace, now: () => new Date(0) }),
    get: createTaskStateGetTool(holder),
    reconcile: createTaskReconcileTool({ holder, workspace }),
  };
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

const call = (name: keyof typeof tools, input: unknown = {}): Promise<ToolResult> =>
  callTool(tools[name], input, { events });

function makeFiles(count: number): string[] {
  mkdirSync(join(root, "docs"));
  const names = Array.from({ length: count }, (_, index) => `docs/f${String(index).padStart(3, "0")}.md`);
  for (const name of names) writeFileSync(join(root, name), "text");
  return names;
}

describe("the state of a job", () => {
  it("is kept, told about, and shown", async () => {
    expect(await call("get")).toMatchObject({
      ok: true,
      output: expect.stringContaining("nothing recorded yet"),
    });
    expect(
      await call("update", { objective: "fix them", remaining_queue: ["b", "a"], next_action: "do b" }),
    ).toEqual({
      ok: true,
      output: "0 of 2 processed, 2 remaining (hash 7e18f737311b2dc3); next: b, a",
    });
    expect(await call("get")).toEqual({
      ok: true,
      output:
        "Task state:\nobjective: fix them\nnext_action: do b\n0 of 2 processed, 2 remaining (hash 7e18f737311b2dc3)\nnext: b, a",
    });
    expect(events).toEqual([{ type: "task_state_changed", state: holder.state }]);
    expect(holder.state).toMatchObject({
      inventory_hash: "7e18f737311b2dc3",
      last_updated: "1970-01-01T00:00:00.000Z",
    });
  });

  it("takes what small models send", async () => {
    await call("update", { remaining_queue: '["a", "b", "c"]', rename_map: '{"a": "x"}', total_count: "3" });
    expect(holder.state).toMatchObject({
      remaining_queue: ["a", "b", "c"],
      rename_map: { a: "x" },
      total_count: 3,
    });
    expect(await call("update", { done: "a", objective: null })).toMatchObject({ ok: true });
    await call("update", { add: "d\ne" });
    expect(holder.state?.remaining_queue).toEqual(["b", "c", "d", "e"]);
    await call("update", { add: [7, true], done: [7] });
    expect(holder.state).toMatchObject({
      remaining_queue: ["b", "c", "d", "e", "true"],
      processed_items: ["a", "7"],
    });
  });

  it("takes a queue that came as one text, and leaves commas in names", async () => {
    expect((await call("update", { remaining_queue: "a.md, docs/b.md,c.md" })).output).toContain("0 of 3");
    expect((await call("update", { add: ["Smith, John", "v1.2, the old one"] })).output).toContain("0 of 5");
    expect(holder.state?.remaining_queue?.slice(3)).toEqual(["Smith, John", "v1.2, the old one"]);
  });

  it("refuses what makes no sense, changes nothing, and says what is next", async () => {
    await call("update", { remaining_queue: ["a", "b"] });
    const before = holder.state;
    for (const input of [
      {},
      { unknown: 1 },
      { total_count: "many" },
      { total_count: 1.5 },
      { done: { a: 1 } },
      { rename_map: ["a"] },
      { rename_map: { a: 1 } },
      { processed_count: 7 },
      { add: ["nothing/*.here"] },
      { add: Array.from({ length: 21 }, () => "*") },
    ])
      expect(await call("update", input), JSON.stringify(input)).toMatchObject({ ok: false });
    expect(holder.state).toBe(before);
    expect(events).toHaveLength(1);
    expect(await call("update", { processed_count: 7 })).toMatchObject({
      error: expect.stringMatching(/^processed_count 7 does not fit: .* Next in the queue: a$/),
    });
  });

  it("takes a pattern for its files, so that nobody writes out 300 names", async () => {
    const names = makeFiles(300);
    expect(await call("update", { remaining_queue: ["docs/*.md"] })).toMatchObject({
      ok: true,
      output: expect.stringMatching(
        /^0 of 300 processed, 300 remaining \(hash [\da-f]{16}\); next: docs\/f000\.md, docs\/f001\.md, docs\/f002\.md \(docs\/\*\.md: 300 files\)$/,
      ),
    });
    expect(holder.state?.remaining_queue).toEqual(names);
  });

  it("never floods the window", async () => {
    makeFiles(300);
    await call("update", { objective: "o", remaining_queue: ["docs/*.md"] });
    for (const name of ["get", "reconcile"] as const)
      expect(JSON.stringify(await call(name)).length).toBeLessThan(1_800);
    const { output } = (await call("get")) as { output: string };
    expect(output).toContain("docs/f039.md and 260 more");
    expect(JSON.stringify(await call("update", { done: ["docs/*1.md"] })).length).toBeLessThan(300);
    const bad = { remaining_queue: ["x"] };
    expect(JSON.stringify(await call("update", bad)).length).toBeLessThan(500);
  });

  it("says when everything is processed", async () => {
    await call("update", { remaining_queue: ["a"], completion_gate: "a is blue" });
    expect(await call("update", { done: ["a"] })).toMatchObject({
      output: expect.stringMatching(
        /^1 of 1 processed, 0 remaining \(hash e3b0c44298fc1c14\); all are processed$/,
      ),
    });
    expect(await call("reconcile")).toMatchObject({
      output: expect.stringContaining("all are processed; check that it holds: a is blue"),
    });
  });

  it("goes on from what a session has kept", async () => {
    holder.set({ total_count: 2, processed_count: 1, remaining_queue: ["b"], processed_items: ["a"] });
    expect(await call("update", { done: ["a"] })).toMatchObject({ ok: false });
    expect(await call("update", { done: ["b"] })).toMatchObject({ ok: true });
  });
});

describe("the comparison with the files", () => {
  const output = async (): Promise<string> => ((await call("reconcile")) as { output: string }).output;

  it("finds nothing to say when all is as recorded", async () => {
    makeFiles(3);
    await call("update", { remaining_queue: ["docs/*.md"], next_action: "read it" });
    expect(await output()).toMatch(
      /^0 of 3 processed, 3 remaining \(hash \w+\)\nall 3 files of the queue exist\nnext: docs\/f000.md\nnext action: read it$/,
    );
  });

  it("tells renamed files from missing ones, and what to do about either", async () => {
    makeFiles(4);
    await call("update", { remaining_queue: ["docs/*.md"], recovery_instruction: "look twice" });
    renameSync(join(root, "docs/f000.md"), join(root, "docs/new.md"));
    rmSync(join(root, "docs/f001.md"));
    await call("update", { rename_map: { "docs/f000.md": "docs/new.md" } });
    expect((await output()).split("\n").slice(1)).toEqual([
      "2 of 4 files of the queue exist",
      "renamed, but still in the queue: docs/f000.md -> docs/new.md. If that finished them, name them in `done`",
      "missing: docs/f001.md. Look for them with glob; if nothing is left to do for them, name them in `done`",
      "recovery: look twice",
      "next: docs/f002.md",
    ]);
    expect(await call("update", { done: ["docs/new.md"] })).toMatchObject({ ok: true });
    rmSync(join(root, "docs/new.md"));
    expect(await output()).toContain(
      "processed, but not there under the new name: docs/f000.md -> docs/new.md",
    );
  });

  it("knows that items need not be files", async () => {
    await call("update", { remaining_queue: ["customer 7", "../../etc/passwd", "a\0b"] });
    expect(await output()).toContain(
      "no item of the queue is a file here (customer 7, ../../etc/passwd, a\0b)",
    );
  });

  it("notices a queue that is not the recorded one", async () => {
    holder.set({ remaining_queue: ["a"], inventory_hash: "0000000000000000", total_count: 1 });
    expect(await output()).toContain("the queue is not the one that was recorded");
  });

  it("stops when it is told to", async () => {
    makeFiles(1);
    await call("update", { remaining_queue: ["docs/*.md"] });
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(callTool(tools.reconcile, {}, { signal })).rejects.toThrow("stop");
  });
});
