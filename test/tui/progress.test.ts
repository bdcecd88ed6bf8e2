import { describe, expect, test } from "vitest";
import type { AgentEventOf, CompactedPart, Plan, PlanStep } from "../../src/core/index.ts";
import {
  createProgressLines,
  formatCompaction,
  formatPlan,
  formatPrefixBroken,
  formatTaskState,
} from "../../src/tui/progress.ts";

const elided: CompactedPart = { message: { role: "tool", tool_call_id: "a", content: "left out" } };
const note: CompactedPart = { message: { role: "user", content: "so far …", note: "compaction" } };

function compacted(
  method: "elided" | "summarised" | "folded",
  parts: readonly CompactedPart[],
  cause: "threshold" | "overflow" | "request" = "threshold",
): AgentEventOf<"context_compacted"> {
  return { type: "context_compacted", cause, method, parts, tokensBefore: 7_900, tokensAfter: 3_100 };
}

describe("a compaction", () => {
  test.each([
    [compacted("elided", [elided]), "1 old result left out (the window is getting full)"],
    [
      compacted("elided", [elided, { keep: [1, 2] }, elided], "request"),
      "2 old results left out (as you asked)",
    ],
    [
      compacted("summarised", [elided, note], "overflow"),
      "1 old result left out, and the model summarised older turns (the server refused the prompt as too long)",
    ],
    [compacted("folded", [note]), "older turns became a list by rule (the window is getting full)"],
  ])("is told in one line: %#", (event, text) => {
    expect(formatCompaction(event)).toBe(`context 7,900 → 3,100 tokens: ${text}`);
  });
});

describe("a broken prefix", () => {
  const broken = { type: "prefix_broken", why: "a tool\nwas added\u001b[2J", bytes: 12_400 } as const;
  test.each([
    [{}, "the server reads 12 kB of prompt again"],
    [{ tokens: 3_100 }, "the server reads 3,100 tokens again"],
    [{ tokens: 3_100, seconds: 8.2 }, "the server reads 3,100 tokens again, about 9 s"],
    [{ tokens: 90, seconds: 0.01 }, "the server reads 90 tokens again, about 1 s"],
    [{ tokens: 31_000, seconds: 95 }, "the server reads 31,000 tokens again, about 1 min 35 s"],
  ])("is told with its price: %j", (price, text) => {
    expect(formatPrefixBroken({ ...broken, ...price })).toBe(`${text}: a tool was added␛[2J`);
  });
});

describe("how far a job is", () => {
  const step = (id: number, status: PlanStep["status"]): PlanStep => ({
    id,
    description: `step\t${id}\u202e`,
    dependencies: [],
    status,
  });
  const plan = (status: Plan["status"], ...steps: PlanStep[]): Plan => ({ title: "t", status, steps });

  test.each([
    [plan("planning"), "plan: the agent only looks around until you have approved one"],
    [plan("proposed", step(1, "pending")), "plan: 1 step proposed"],
    [
      plan("approved", step(1, "completed"), step(2, "in_progress"), step(3, "pending")),
      "plan: 1 of 3 steps done · now 2. step 2<U+202E>",
    ],
    [
      plan("approved", step(1, "failed"), step(2, "completed")),
      "plan: 1 of 2 steps done, 1 failed · now 1. step 1<U+202E>",
    ],
    [plan("completed", step(1, "completed"), step(2, "completed")), "plan: all of 2 steps done"],
    [plan("abandoned"), "plan: given up"],
  ])("is told of a plan: %#", (value, text) => expect(formatPlan(value)).toBe(text));

  test("is told of a job over many things, without its hash", () => {
    const state = {
      total_count: 300,
      processed_count: 120,
      remaining_queue: ["a", "b"],
      inventory_hash: "0123",
    };
    expect(formatTaskState(state)).toBe("task: 120 of 300 processed, 2 remaining");
    expect(formatTaskState({ objective: "x" })).toBe("");
  });

  test("is not told twice in the same words", () => {
    const lines = createProgressLines();
    expect(
      ["plan: a", "task: 1", "plan: a", "", "task: 2", "plan: b"].map((text) => lines.next(text)),
    ).toEqual(["plan: a", "task: 1", undefined, undefined, "task: 2", "plan: b"]);
  });
});
