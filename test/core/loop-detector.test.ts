import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { CallMemory } from "../../src/core/call-memory.ts";
import { LoopDetector, type LoopStage } from "../../src/core/loop-detector.ts";
import { observeCall } from "../../src/core/observed-call.ts";
import type { ToolAccess, ToolResult } from "../../src/core/tool.ts";

interface Step {
  name?: string;
  text: string;
  output: string;
  access?: ToolAccess;
  ok?: boolean;
}

let ids = 0;

function observe({ name = "tool", text, output, access = "read", ok = true }: Step) {
  const result: ToolResult = ok ? { ok, output } : { ok, error: output };
  return observeCall({ id: `call-${(ids += 1)}`, name, arguments: { text } }, { result, access });
}

/** The stage after each step. */
function stages(steps: readonly Step[]): LoopStage[] {
  const detector = new LoopDetector();
  return steps.map((step) => detector.note({ calls: [observe(step)], text: "" }).stage);
}

const ACCESSES = ["read", "write", "execute", "network", "control"] as const;

describe("calls that are all different and bring something new", () => {
  it("are never a loop, whatever they are and in whatever order", () => {
    const step = fc.record({ kind: fc.constantFrom(...ACCESSES), tool: fc.constantFrom("a", "b") });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (kinds) => {
        const steps = kinds.map(({ kind, tool }, index) => ({
          name: tool,
          access: kind,
          text: `item ${index}`,
          output: `found ${Math.sqrt(index + 2)}`,
        }));
        expect(stages(steps).every((stage) => stage === 0)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("are never a loop when they change something, though all say the same", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 80 }), (texts) => {
        const steps = texts.map((text) => ({ text, output: "ok", access: "write" as const }));
        expect(stages(steps).every((stage) => stage === 0)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("are no loop with the same ten commands after each change", () => {
    const steps = Array.from({ length: 44 }, (_, index) =>
      index % 11 === 0
        ? { text: `change ${index}`, output: "ok", access: "write" as const }
        : { text: `command ${index % 11}`, output: `fine ${index % 11}`, access: "execute" as const },
    );
    expect(stages(steps).every((stage) => stage === 0)).toBe(true);
  });

  it("are no loop with looks in between that bring the same after each change", () => {
    const steps = Array.from({ length: 60 }, (_, index) =>
      index % 3 === 0
        ? { text: `change ${index}`, output: "ok", access: "write" as const }
        : { text: `look ${index % 3}`, output: "same" },
    );
    expect(stages(steps).every((stage) => stage === 0)).toBe(true);
  });
});

describe("work that looks alike", () => {
  it("is no loop where a list of our own gets on, though its words hold the same numbers", () => {
    const detector = new LoopDetector();
    const found = Array.from({ length: 60 }, (_, index) => {
      const id = index + 1;
      const output = `completed: convert file ${id} (${id} of 60 completed)`;
      const call = observeCall(
        { id: `c${id}`, name: "todo_complete", arguments: { todo_id: id } },
        { result: { ok: true, output, completed_count: id }, access: "control" },
      );
      return detector.note({ calls: [call], text: "" }).stage;
    });
    expect(found.every((stage) => stage === 0)).toBe(true);
  });

  it.each([
    ["in one command", ["sleep 30; tail -1 build.log"]],
    ["between looks", ["sleep 30", "tail -1 build.log"]],
  ])("is no loop while a build is waited for %s, but not for ever", (_, commands) => {
    const detector = new LoopDetector();
    const found = Array.from({ length: 60 * commands.length }, (__, index) => {
      const command = commands[index % commands.length]!;
      const call = observeCall(
        { id: `call_${index}`, name: "shell", arguments: { command } },
        { result: { ok: true, output: "still building" }, access: "execute" },
      );
      return detector.note({ calls: [call], text: "The build is still running, I look again in a while." })
        .stage;
    });
    expect(found.slice(0, 30 * commands.length).every((stage) => stage === 0)).toBe(true);
    expect(found).toContain(3);
  });
});

describe("any history that goes round", () => {
  it("is ended, however long the round is and whatever is in it", () => {
    const step = fc.record({
      name: fc.constantFrom("a", "b"),
      text: fc.string(),
      output: fc.string(),
      access: fc.constantFrom(...ACCESSES),
      ok: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.array(step, { maxLength: 30 }),
        (round, before) => {
          const rounds = Array.from({ length: 40 }, () => round).flat();
          const found = stages([...before, ...rounds]);
          const end = found.indexOf(3);
          expect(end).toBeGreaterThan(0);
          // Told before it is ended.
          expect(found.slice(0, end).some((stage) => stage > 0)).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("counts several calls in one reply as one step", () => {
    const detector = new LoopDetector();
    const found = Array.from({ length: 8 }, () => {
      const calls = ["a", "b", "c", "d", "e", "f"].map((text) => observe({ text, output: text }));
      return detector.note({ calls, text: "" }).stage;
    });
    expect(found).toEqual([0, 0, 1, 1, 2, 2, 2, 3]);
  });

  it("is seen though results name the file in which their output was saved for this call", () => {
    const detector = new LoopDetector();
    const found = Array.from({ length: 8 }, (_, index) => {
      const id = `call_${index}xyz`;
      const result = { ok: true as const, output: `long\n[saved as .lmagent/outputs/${id}.txt]` };
      const call = observeCall(
        { id, name: "shell", arguments: { command: "make" } },
        { result, access: "execute" },
      );
      return detector.note({ calls: [call], text: "" }).stage;
    });
    expect(found.at(-1)).toBe(3);
  });

  it("may look again at what a compaction has left out, but not for ever", () => {
    const detector = new LoopDetector();
    const found: LoopStage[] = [];
    for (let round = 0; round < 12; round += 1) {
      for (const text of ["a", "b", "c", "d", "e", "f"].slice(round % 2))
        found.push(detector.note({ calls: [observe({ text, output: text })], text: "" }).stage);
      detector.noteCompaction();
    }
    expect(found.slice(0, 10).every((stage) => stage === 0)).toBe(true);
    expect(found).toContain(3);
  });

  it("may read everything again after a compaction", () => {
    const detector = new LoopDetector();
    const readAll = (): LoopStage[] =>
      Array.from({ length: 15 }, (_, index) => {
        const calls = [observe({ text: `file ${index}`, output: `content ${index * 7}` })];
        return detector.note({ calls, text: "" }).stage;
      });
    readAll();
    detector.noteCompaction();
    expect(readAll().every((stage) => stage === 0)).toBe(true);
    expect(readAll()).toContain(2);
  });

  it("forgives a tool its failures once it works", () => {
    const attempt = (index: number, ok: boolean): Step => ({
      text: `try ${index}`,
      output: `words ${"abcdefgh"[index % 8]}${index}`,
      ok,
    });
    const steps = Array.from({ length: 40 }, (_, index) => attempt(index, index % 4 === 3));
    expect(stages(steps).every((stage) => stage === 0)).toBe(true);
  });

  it("is not seen where each step changes something and its check fails", () => {
    const detector = new LoopDetector();
    const found = Array.from({ length: 20 }, (_, index) => {
      const change = observe({ name: "edit", text: `version ${index}`, output: "ok", access: "write" });
      const check = observe({ name: "test", text: "", output: "1 failed", access: "execute", ok: false });
      return detector.note({ calls: [change, check], text: "" }).stage;
    });
    expect(found.every((stage) => stage === 0)).toBe(true);
  });

  it("takes hostile arguments and results in stride", () => {
    const wide = Object.fromEntries(
      Array.from({ length: 5_000 }, (_, index) => [`key${index}`, `value ${index}`]),
    );
    const started = Date.now();
    for (let index = 0; index < 20; index += 1) {
      const result: ToolResult = {
        ok: false,
        error: "`".repeat(50_000) + '"'.repeat(50_000) + "/.".repeat(20_000),
      };
      observeCall({ id: "x", name: "tool", arguments: wide }, { result, access: "read" });
    }
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});

describe("the memory of calls", () => {
  const call = { id: "c1", name: "read", arguments: { path: "a.ts", limit: 5 } };
  const result: ToolResult = { ok: true, output: "text" };
  const seen = (times: number): CallMemory => {
    const memory = new CallMemory();
    for (let turn = 1; turn <= times; turn += 1) memory.noteEnd(call, { access: "read", result, turn });
    return memory;
  };

  it("answers the third time, and knows the call whatever the order of its arguments", () => {
    expect(seen(1).recall(call, "read")).toBeUndefined();
    const other = { id: "c9", name: "read", arguments: { limit: 5, path: "a.ts" } };
    expect(seen(2).recall(other, "read")?.result).toMatchObject({
      ok: true,
      output: expect.stringContaining("turn 2"),
    });
  });

  it("answers no other call, and none that can change something", () => {
    expect(seen(2).recall({ ...call, arguments: { path: "b.ts" } }, "read")).toBeUndefined();
    for (const access of ["write", "execute", "network", "control"] as const)
      expect(seen(5).recall(call, access)).toBeUndefined();
  });

  it.each(["write", "execute", "network"] as const)(
    "forgets all when a call with access %s starts",
    (access) => {
      const memory = seen(3);
      memory.noteStart(access);
      expect(memory.recall(call, "read")).toBeUndefined();
    },
  );

  it("keeps what was seen over looks and its own lists", () => {
    const memory = seen(3);
    memory.noteStart("read");
    memory.noteStart("control");
    expect(memory.recall(call, "read")).toBeDefined();
  });

  it("lets a call run after each answer, and remembers no failures", () => {
    const memory = seen(2);
    expect(memory.recall(call, "read")).toBeDefined();
    expect(memory.recall(call, "read")).toBeUndefined();
    const failing = new CallMemory();
    for (let turn = 1; turn <= 4; turn += 1)
      failing.noteEnd(call, { access: "read", result: { ok: false, error: "no such file" }, turn });
    expect(failing.recall(call, "read")).toBeUndefined();
  });
});
