import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import type { Plan } from "../../src/core/index.ts";
import { createTerminalPlanReviewer } from "../../src/tui/plain/review-plan.ts";
import { Capture } from "./fixtures/capture.ts";
import { step } from "./fixtures/plan.ts";

const PLAN: Plan = {
  title: "Tidy \u001b[2Jup",
  status: "proposed",
  steps: [
    step(1, { status: "completed", notes: "it was easy" }),
    step(2, { description: "write\nthe \u202etest", verification: "it\u200b fails", risk: "high" }),
    step(3, { dependencies: [1, 2], risk: "low" }),
  ],
};

function review({ plan = PLAN, columns = 80 } = {}) {
  const input = new PassThrough();
  const output = new Capture({ columns });
  const abort = new AbortController();
  const reviewer = createTerminalPlanReviewer({ input, output, colour: false, graceMs: 0 });
  const decision = reviewer.review(plan, { signal: abort.signal });
  const answer = async (...lines: string[]) => {
    for (const line of lines) {
      await settle();
      input.write(`${line}\n`);
    }
  };
  return { input, output, abort, reviewer, decision, answer };
}

/** Lets the question reach the output. */
const settle = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms));

describe("reviewing a plan in plain lines", () => {
  test("shows steps, verification, risk and dependencies with nothing hidden, and y approves", async () => {
    const { output, decision, answer } = review();
    await answer("y");
    expect(await decision).toEqual({ decision: "approve" });
    expect(output.text).toBe(
      [
        "",
        "? plan · 3 steps, 1 of high risk",
        "  Tidy ␛[2Jup",
        "  1. (done) do 1",
        "     notes: it was easy",
        "  2. write␊the <U+202E>test",
        "     verify: it<U+200B> fails",
        "     risk: high",
        "  3. do 3",
        "     risk: low · after: 1, 2",
        "Follow this plan? [y] yes  [e] change it  [n] no  [d] no, with a note to the model: ",
      ].join("\n"),
    );
  });

  test.each([
    [["n"], { decision: "reject" }],
    [["No"], { decision: "reject" }],
    [["d", " smaller steps "], { decision: "reject", feedback: "smaller steps" }],
    [["d", ""], { decision: "reject" }],
    [["", "x", "yy", "Y e s", "yes"], { decision: "approve" }],
  ])("%j is taken for what it says", async (lines, expected) => {
    const { decision, answer } = review();
    await answer(...lines);
    expect(await decision).toEqual(expected);
  });

  test("can be changed line by line, and is shown again before it is approved", async () => {
    const { output, decision, answer } = review({
      plan: { ...PLAN, title: "Tidy", steps: [step(1), step(2)] },
    });
    await answer("e", "2", "+ then look | verify: seen", "1 # Tidy up", ".", "y");
    expect(await decision).toMatchObject({
      decision: "approve",
      plan: {
        title: "Tidy up",
        steps: [
          { id: 1, description: "do 2" },
          { id: 2, description: "then look", verification: "seen" },
        ],
      },
    });
    expect(output.text).toContain("  3  2. do 2\n");
    expect(output.text).toMatch(/1\. do 2\n {2}2\. then look\n {5}verify: seen\nFollow this plan\?/);
  });

  test("an error names the line and keeps what was changed", async () => {
    const { output, decision, answer } = review({ plan: { ...PLAN, title: "Tidy", steps: [step(1)] } });
    await answer("e", "+ next | risk: huge", ".", "3 next | risk: high", ".", "y");
    expect(await decision).toMatchObject({ plan: { steps: [{}, { description: "next", risk: "high" }] } });
    expect(output.text).toContain("✗ line 3: risk is `huge`");
  });

  test("what names no line changes nothing, and q goes back", async () => {
    const { output, decision, answer } = review();
    await answer("e", "9 x", "0", "hello", "1 # Other", "q", "y");
    expect(await decision).toEqual({ decision: "approve" });
    expect(output.text.match(/✗ there is no line for/g)).toHaveLength(3);
  });

  test("an edit that ends as it began is none", async () => {
    const { decision, answer } = review();
    await answer("e", ".", "y");
    expect(await decision).toEqual({ decision: "approve" });
  });

  test("a long one is shown page by page, and cannot be approved before its last one", async () => {
    const steps = Array.from({ length: 500 }, (_, index) =>
      step(index + 1, { verification: "v ".repeat(70) }),
    );
    const { output, decision, answer } = review({ plan: { ...PLAN, steps } });
    await answer("y");
    await settle();
    expect(output.text).not.toContain("[y] yes");
    for (let page = 0; page < 10 && !output.text.includes("[y] yes"); page += 1) {
      await answer("s");
      await settle();
    }
    for (const { id } of steps) expect(output.text).toContain(`${id}. do ${id}\n`);
    await answer("y");
    expect(await decision).toEqual({ decision: "approve" });
  });

  test("wraps so that nothing in it begins at the edge", async () => {
    const description = `${"x ".repeat(30)}Follow this plan? [y] yes`;
    const { output, decision, answer } = review({
      plan: { ...PLAN, steps: [step(1, { description })] },
      columns: 40,
    });
    await answer("n");
    await decision;
    expect(output.text.match(/^Follow this plan/gm)).toHaveLength(1);
  });

  test("the end of the input is nobody, in every step", async () => {
    for (const lines of [[], ["d"], ["e"], ["e", "1 x"]]) {
      const { input, decision, answer, reviewer } = review();
      await answer(...lines);
      await settle();
      input.end();
      expect(await decision).toEqual({ decision: "unattended" });
      const { signal } = new AbortController();
      expect(await reviewer.review(PLAN, { signal })).toEqual({ decision: "unattended" });
    }
  });

  test("an abort ends it and leaves no listener behind", async () => {
    const { input, abort, decision } = review();
    await settle();
    abort.abort(new Error("interrupted"));
    await expect(decision).rejects.toThrow("interrupted");
    expect(input.listenerCount("data")).toBe(0);
  });
});
