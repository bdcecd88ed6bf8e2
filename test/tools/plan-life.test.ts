import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import type { PlanDecision } from "../../src/core/plan.ts";
import { createPlanCompleteStepTool } from "../../src/tools/plan-complete-step.ts";
import { createPlanHolder } from "../../src/tools/plan-holder.ts";
import { createPlanProposeTool } from "../../src/tools/plan-propose.ts";
import { callTool } from "./_commands.ts";

const move = fc.oneof(
  fc.record({
    step_id: fc.integer({ min: 0, max: 6 }),
    failed: fc.boolean(),
    verification_notes: fc.constantFrom("", "seen"),
  }),
  fc.record({
    title: fc.constant("t"),
    steps: fc.array(
      fc.record({
        description: fc.constantFrom("a", "b", "c", "d"),
        depends_on: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
      }),
      { maxLength: 4 },
    ),
    decision: fc.constantFrom("approve", "reject", "unattended"),
  }),
);

describe("whatever is done with a plan", () => {
  it("one step is in progress, none is completed before what it needs, and what is completed stays", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 20 }), async (moves) => {
        const holder = createPlanHolder();
        holder.begin();
        let decision: PlanDecision = { decision: "unattended" };
        const propose = createPlanProposeTool({ holder, reviewer: { review: async () => decision } });
        const complete = createPlanCompleteStepTool(holder);
        let completed: readonly string[] = [];
        for (const each of moves) {
          const before = holder.plan;
          if ("decision" in each) decision = { decision: each.decision };
          const result = await callTool("decision" in each ? propose : complete, each);
          const { steps = [], status } = holder.plan ?? {};
          if (!("decision" in each) && !result.ok) expect(holder.plan).toBe(before);
          expect(steps.map(({ id }) => id)).toEqual(steps.map((_, index) => index + 1));
          const running = steps.filter((step) => step.status === "in_progress").length;
          if (status === "approved") expect(running).toBe(1);
          if (status === "completed") expect(steps.every((step) => step.status === "completed")).toBe(true);
          const done = steps.filter((step) => step.status === "completed");
          for (const { dependencies } of done)
            for (const id of dependencies) expect(steps[id - 1]?.status).toBe("completed");
          const names = done.map(({ description }) => description);
          // Once all is completed, another plan is about something else.
          if (before?.status !== "completed") expect(names).toEqual(expect.arrayContaining([...completed]));
          completed = names;
        }
      }),
      { numRuns: 300 },
    );
  });
});
