import { beforeEach, describe, expect, it } from "vitest";
import { parsePlanText } from "../../src/core/plan-text.ts";
import type { Plan, PlanDecision, PlanReviewer } from "../../src/core/plan.ts";
import type { Tool, ToolEvent, ToolResult } from "../../src/core/tool.ts";
import { createPlanCompleteStepTool } from "../../src/tools/plan-complete-step.ts";
import { createPlanHolder, type PlanHolder } from "../../src/tools/plan-holder.ts";
import { createPlanProposeTool } from "../../src/tools/plan-propose.ts";
import { callTool } from "./_commands.ts";

let holder: PlanHolder;
let shown: Plan[];
let answers: (PlanDecision | Error)[];
let events: ToolEvent[];
let propose: Tool;
let complete: Tool;

const reviewer: PlanReviewer = {
  async review(plan) {
    shown.push(plan);
    const answer = answers.shift() ?? { decision: "approve" };
    if (answer instanceof Error) throw answer;
    return answer;
  },
};

beforeEach(() => {
  holder = createPlanHolder();
  holder.begin();
  shown = [];
  answers = [];
  events = [];
  propose = createPlanProposeTool({ holder, reviewer });
  complete = createPlanCompleteStepTool(holder);
});

const call = (tool: Tool, input: unknown): Promise<ToolResult> => callTool(tool, input, { events });
const statuses = (): string[] => holder.plan?.steps.map(({ status }) => status) ?? [];

const THREE = {
  title: "Rename",
  steps: [
    { description: "Find", verification: "12 uses" },
    { description: "Rename", depends_on: [1] },
    { description: "Test", depends_on: [2] },
  ],
};

describe("a plan that is proposed", () => {
  it("is shown to the user, and once approved its first step is in progress", async () => {
    expect(await call(propose, THREE)).toEqual({
      ok: true,
      output:
        "the user has approved the plan (3 steps); now step 1. Find (verify: 12 uses); then call plan_complete_step",
    });
    expect(shown.map(({ status }) => status)).toEqual(["proposed"]);
    expect(holder.plan?.status).toBe("approved");
    expect(statuses()).toEqual(["in_progress", "pending", "pending"]);
    expect(events.map((event) => event.type === "plan_changed" && event.plan.status)).toEqual([
      "proposed",
      "approved",
    ]);
  });

  it("is followed as the user has edited it", async () => {
    const edited = parsePlanText("# Mine\n1. Rename\n2. Tell everybody | after: 1");
    if (!edited.ok) throw new Error(edited.error);
    answers = [{ decision: "approve", plan: edited.plan }];
    const result = (await call(propose, THREE)) as { output: string };
    expect(result.output).toBe(
      "the user has edited the plan and approved it:\n# Mine\n1. [>] Rename\n2. Tell everybody | after: 1\nnow step 1. Rename; then call plan_complete_step",
    );
    expect(holder.plan).toMatchObject({ title: "Mine", status: "approved" });
  });

  it("is not approved when the edited plan cannot be used", async () => {
    const broken: Plan = {
      title: "t",
      status: "proposed",
      steps: [{ id: 1, description: "a", dependencies: [1], status: "pending" }],
    };
    answers = [{ decision: "approve", plan: broken }];
    expect(await call(propose, THREE)).toMatchObject({
      ok: false,
      error: expect.stringContaining("the edited plan cannot be used: line 2: step 1 depends on itself"),
    });
    expect(holder.plan?.status).toBe("proposed");
  });

  it("goes back to the model with what the user says", async () => {
    answers = [{ decision: "reject", feedback: "do not touch docs/" }];
    expect(await call(propose, THREE)).toEqual({
      ok: false,
      error: "the user has rejected the plan: do not touch docs/. Propose a changed one",
    });
    expect(holder.plan?.status).toBe("planning");
    expect(await call(propose, { title: "again", steps: ["Only src/"] })).toMatchObject({ ok: true });
    expect(holder.plan?.steps).toHaveLength(1);
  });

  it("is not asked about for ever", async () => {
    answers = Array.from({ length: 9 }, () => ({ decision: "reject" }));
    for (let round = 0; round < 7; round += 1) await call(propose, THREE);
    expect(shown).toHaveLength(5);
    expect(await call(propose, THREE)).toMatchObject({
      error: expect.stringContaining("answer with BLOCKED:"),
    });
    expect(holder.plan?.status).toBe("planning");
    holder.begin();
    answers = [];
    expect(await call(propose, THREE)).toMatchObject({ ok: true });
  });

  it.each([
    ["nobody is there", { decision: "unattended" }],
    ["the reviewer breaks", new Error("no terminal")],
    ["the answer is no answer", undefined],
    ["the answer is something else", { decision: "yes" }],
  ])("is not approved when %s, and waits", async (_, answer) => {
    answers = [answer as PlanDecision];
    if (answer === undefined) answers = [null as unknown as PlanDecision];
    if (answer === undefined)
      propose = createPlanProposeTool({ holder, reviewer: { review: async () => null as never } });
    expect(await call(propose, THREE)).toMatchObject({
      ok: false,
      unattended: true,
      error: expect.stringContaining("nobody is there to approve the plan"),
    });
    expect(holder.plan?.status).toBe("proposed");
  });

  it("cannot be changed by whoever looks at it", async () => {
    const meddling: PlanReviewer = {
      async review(plan) {
        (plan.steps as Plan["steps"][number][]).push({
          id: 9,
          description: "rm -rf",
          dependencies: [],
          status: "pending",
        });
        return { decision: "approve" };
      },
    };
    propose = createPlanProposeTool({ holder, reviewer: meddling });
    expect(await call(propose, THREE)).toMatchObject({ ok: false, unattended: true });
    expect(holder.plan?.steps).toHaveLength(3);
  });

  it("is not approved by an answer that comes after the run was stopped", async () => {
    const stop = new AbortController();
    const slow: PlanReviewer = {
      async review() {
        stop.abort(new Error("stopped"));
        return { decision: "approve" };
      },
    };
    propose = createPlanProposeTool({ holder, reviewer: slow });
    await expect(callTool(propose, THREE, { signal: stop.signal })).rejects.toThrow("stopped");
    expect(holder.plan?.status).toBe("proposed");
  });

  it("says what is wrong with a plan that cannot be used, and asks nobody", async () => {
    expect(await call(propose, { title: "t", steps: [] })).toEqual({
      ok: false,
      error:
        "Invalid plan: `steps` is empty; give 1 to 40 steps, each with a description. Expected {title, steps: [{description, verification?, risk?, depends_on?}]}.",
    });
    expect(shown).toEqual([]);
    expect(events).toEqual([]);
  });
});

describe("the steps of a plan", () => {
  it("are completed one after another, and the next is always named", async () => {
    await call(propose, THREE);
    expect(await call(complete, { step_id: "1", verification_notes: "12 uses found" })).toEqual({
      ok: true,
      output: "completed step 1; now step 2. Rename; then call plan_complete_step",
    });
    expect(statuses()).toEqual(["completed", "in_progress", "pending"]);
    expect(holder.plan?.steps[0]?.notes).toBe("12 uses found");
    await call(complete, { step_id: 2 });
    expect(await call(complete, { step_id: 3 })).toEqual({
      ok: true,
      output: "completed step 3; all 3 steps are completed; give your final answer",
    });
    expect(holder.plan?.status).toBe("completed");
    expect(await call(complete, { step_id: 3 })).toMatchObject({
      error: "the plan is completed; give your final answer",
    });
  });

  it("come after what they depend on", async () => {
    await call(propose, THREE);
    const before = holder.plan;
    expect(await call(complete, { step_id: 3 })).toEqual({
      ok: false,
      error:
        "step 3 comes after step 2, which is not completed. In progress is step 1. Find (verify: 12 uses)",
    });
    expect(await call(complete, { step_id: 9 })).toMatchObject({
      error: "no step 9; there are 1, 2, 3. In progress is step 1. Find (verify: 12 uses)",
    });
    expect(holder.plan).toBe(before);
  });

  it("may be done out of turn where nothing stands in the way; one is in progress at any time", async () => {
    await call(propose, { title: "t", steps: ["a", "b", { description: "c", depends_on: [2] }] });
    expect(await call(complete, { step_id: 2 })).toMatchObject({
      output: expect.stringContaining("now step 1. a"),
    });
    expect(statuses()).toEqual(["in_progress", "completed", "pending"]);
    expect(await call(complete, { step_id: 2 })).toMatchObject({
      ok: false,
      already_completed: true,
      error: "step 2 is already completed. In progress is step 1. a",
    });
  });

  it("can fail, and then the rest is planned and approved anew", async () => {
    await call(propose, THREE);
    await call(complete, { step_id: 1 });
    expect(
      await call(complete, { step_id: 2, failed: true, verification_notes: "it is generated" }),
    ).toMatchObject({
      ok: true,
      output: expect.stringContaining("step 2 has failed; call plan_propose"),
    });
    expect(holder.plan?.status).toBe("planning");
    expect(statuses()).toEqual(["completed", "failed", "pending"]);
    expect(await call(complete, { step_id: 3 })).toMatchObject({
      error: "there is no approved plan; call plan_propose first",
    });
    await call(propose, {
      title: "Rename",
      steps: ["Change the generator", { description: "Test", depends_on: [1] }],
    });
    expect(shown).toHaveLength(2);
    expect(holder.plan?.steps.map(({ id, description, status }) => `${id} ${description} ${status}`)).toEqual(
      ["1 Find completed", "2 Change the generator in_progress", "3 Test pending"],
    );
  });

  it("are not those of a plan that is over", async () => {
    await call(propose, { title: "one", steps: ["Read"] });
    await call(complete, { step_id: 1 });
    await call(propose, { title: "two", steps: ["Read", "Write"] });
    expect(holder.plan).toMatchObject({ title: "two", status: "approved" });
    expect(statuses()).toEqual(["in_progress", "pending"]);
  });

  it("stay as they were approved when another plan is rejected", async () => {
    await call(propose, THREE);
    answers = [{ decision: "reject" }];
    expect(await call(propose, { title: "better", steps: ["Delete all"] })).toEqual({
      ok: false,
      error:
        "the user has rejected the plan. Go on with the plan before: now step 1. Find (verify: 12 uses); then call plan_complete_step",
    });
    expect(holder.plan).toMatchObject({ title: "Rename", status: "approved" });
    expect(events.at(-1)).toMatchObject({ type: "plan_changed", plan: { title: "Rename" } });
  });

  it("need a plan that is approved", async () => {
    expect(await call(complete, { step_id: 1 })).toMatchObject({
      ok: false,
      error: expect.stringContaining("plan_propose"),
    });
    holder.set(undefined);
    expect(await call(complete, { step_id: 1 })).toMatchObject({
      ok: false,
      error: expect.stringContaining("no plan"),
    });
    holder.set({ title: "t", status: "proposed", steps: [] });
    expect(await call(complete, { step_id: 1 })).toMatchObject({
      error: "the user has not approved the plan yet",
    });
  });
});
