import * as z from "zod/mini";
import { describe, expect, it } from "vitest";
import { defineTool } from "../../src/core/define-tool.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { modePolicy, type PermissionCall, type PermissionPolicy } from "../../src/core/permission.ts";
import { planningPolicy, toPlanRequest } from "../../src/core/plan-mode.ts";
import { rescuePlans } from "../../src/core/plan-rescue.ts";
import type { Plan, PlanDecision, PlanStatus } from "../../src/core/plan.ts";
import { describeOpenWork } from "../../src/core/state-note.ts";
import type { CallPreview, Tool, ToolAccess } from "../../src/core/tool.ts";
import { createScriptedModel, scriptedCall, type ScriptedReply } from "../../src/testing/scripted-model.ts";
import { createPlanCompleteStepTool } from "../../src/tools/plan-complete-step.ts";
import { createPlanHolder } from "../../src/tools/plan-holder.ts";
import { createPlanProposeTool } from "../../src/tools/plan-propose.ts";
import { collect, echo, last, textTool } from "./_run.ts";

const runAll: PermissionPolicy = { decide: () => ({ decision: "run" }), remember: async () => {} };

function permissionCall(
  access: ToolAccess,
  preview: Partial<CallPreview> = {},
  more: Partial<PermissionCall> = {},
): PermissionCall {
  return {
    tool: "some_tool",
    access,
    input: {},
    preview: { kind: "text", text: "", concerns: [], ...preview },
    mode: "auto",
    writesInTurn: 0,
    turn: 1,
    ...more,
  };
}

const ISOLATED = { backend: "bubblewrap", isolated: true, network: "none" } as const;
const plan = (status: PlanStatus): Plan => ({ title: "t", steps: [], status });

describe("while a plan is made or undecided", () => {
  it.each([
    ["write", {}],
    ["execute", { command: "npm test", place: ISOLATED }],
    ["execute", { command: "ls", place: { ...ISOLATED, isolated: false }, harmless: true }],
    ["execute", { command: "ls", place: { ...ISOLATED, network: "bridge" }, harmless: true } as const],
    ["execute", { command: "rm -rf x", place: ISOLATED, harmless: true }],
    ["execute", {}],
    ["network", {}],
    ["read", { writes: ["a.txt"] }],
    ["control", { writes: ["a.txt"] }],
  ] as const)(
    "a call with access %s and %j is refused, whatever rules and answers allow",
    async (access, preview) => {
      for (const status of ["planning", "proposed"] as const) {
        const decision = await planningPolicy(runAll, () => plan(status)).decide(
          permissionCall(access, preview),
        );
        expect(decision).toMatchObject({
          decision: "refuse",
          why: expect.stringContaining("`some_tool` cannot run now"),
        });
      }
    },
  );

  it("says how to go on", async () => {
    const policy = (status: PlanStatus): PermissionPolicy => planningPolicy(runAll, () => plan(status));
    expect(await policy("planning").decide(permissionCall("write"))).toMatchObject({
      why: expect.stringContaining("call plan_propose"),
    });
    expect(await policy("proposed").decide(permissionCall("write"))).toMatchObject({
      why: expect.stringContaining("has not approved the plan yet"),
    });
  });

  it("looking is up to the policy, as ever", async () => {
    const policy = planningPolicy(modePolicy, () => plan("planning"));
    const harmless = { command: "ls", place: ISOLATED, harmless: true };
    for (const call of [
      permissionCall("read"),
      permissionCall("control"),
      permissionCall("execute", harmless),
    ]) {
      expect(await policy.decide(call)).toEqual({ decision: "run" });
      expect(await policy.decide({ ...call, mode: "manual" })).toMatchObject({ decision: "ask" });
    }
    const denyAll: PermissionPolicy = { ...runAll, decide: () => ({ decision: "refuse", why: "a rule" }) };
    expect(
      await planningPolicy(denyAll, () => plan("planning")).decide(permissionCall("read")),
    ).toMatchObject({
      why: "a rule",
    });
  });

  it("a proposal is one question and not two, but a rule can still deny it", async () => {
    const call = permissionCall("control", {}, { tool: "plan_propose", mode: "manual" });
    expect(await planningPolicy(modePolicy, () => plan("planning")).decide(call)).toEqual({
      decision: "run",
    });
    const deny: PermissionPolicy = { ...runAll, decide: () => ({ decision: "refuse", why: "a rule" }) };
    expect(await planningPolicy(deny, () => plan("planning")).decide(call)).toMatchObject({
      decision: "refuse",
    });
  });

  it("nothing is in the way without a plan, or with one that is approved, done or given up", async () => {
    for (const status of ["approved", "completed", "abandoned"] as const)
      expect(await planningPolicy(runAll, () => plan(status)).decide(permissionCall("write"))).toEqual({
        decision: "run",
      });
    expect(await planningPolicy(runAll, () => undefined).decide(permissionCall("write"))).toEqual({
      decision: "run",
    });
  });

  it("answers are kept where they always are", async () => {
    const kept: unknown[] = [];
    const policy = planningPolicy(
      { ...runAll, remember: async (...answer) => void kept.push(answer) },
      () => undefined,
    );
    await policy.remember({ tool: "shell" }, "session");
    expect(kept).toEqual([[{ tool: "shell" }, "session"]]);
  });
});

interface Played {
  events: AgentEvent[];
  written: string[];
  results: string[];
  plan: Plan | undefined;
}

/** A run in plan mode, with a tool that writes. */
async function play(
  replies: readonly ScriptedReply[],
  {
    decisions = [],
    access = "write",
    kept,
  }: { decisions?: readonly PlanDecision[]; access?: ToolAccess; kept?: Plan | undefined } = {},
): Promise<Played> {
  const holder = createPlanHolder(kept);
  if (kept === undefined) holder.begin();
  const left = [...decisions];
  const written: string[] = [];
  const store = textTool(
    "store",
    (text) => {
      written.push(text);
      return { ok: true, output: "stored" };
    },
    { access },
  );
  const reviewer = { review: async () => left.shift() ?? ({ decision: "approve" } as const) };
  const current = (): Plan | undefined => holder.plan;
  const { events } = await collect({
    model: rescuePlans(createScriptedModel(replies), current),
    tools: [echo, store, createPlanProposeTool({ holder, reviewer }), createPlanCompleteStepTool(holder)],
    input: toPlanRequest("Rename it"),
    policy: planningPolicy(modePolicy, current),
    completionGate: () => describeOpenWork({ plan: holder.plan }),
  });
  const results = events.flatMap((event) =>
    event.type === "message_added" && event.message.role === "tool" ? [event.message.content] : [],
  );
  return { events, written, results, plan: holder.plan };
}

const store = (text: string) => scriptedCall("store", { text });
const propose = (...steps: string[]) => scriptedCall("plan_propose", { title: "t", steps });
const done = (step_id: number, more = {}) => scriptedCall("plan_complete_step", { step_id, ...more });

describe("a run in plan mode", () => {
  it("looks, proposes, and follows the approved plan to its end", async () => {
    const {
      events,
      written,
      plan: end,
    } = await play([
      { calls: [scriptedCall("echo", { text: "look" })] },
      { calls: [propose("first", "second")] },
      { calls: [store("1"), done(1)] },
      { calls: [store("2"), done(2)] },
      { text: "Renamed." },
    ]);
    expect(last(events)).toMatchObject({ reason: "done", text: "Renamed.", denied: [] });
    expect(written).toEqual(["1", "2"]);
    expect(end?.status).toBe("completed");
  });

  it("changes nothing before the approval, also when asked in the same reply", async () => {
    const { written, results, events } = await play([
      { calls: [store("early")] },
      { calls: [store("before"), propose("first"), store("after")] },
      { calls: [store("now"), done(1)] },
      { text: "Done." },
    ]);
    expect(written).toEqual(["now"]);
    expect(results[0]).toContain("nothing is changed before the user has approved a plan");
    expect(results[1]).toContain("refused");
    expect(results[3]).toContain("came in the same reply as the plan");
    expect(last(events)).toMatchObject({ reason: "done", denied: ["store", "store", "store"] });
  });

  it("does not count a tool that runs programs as looking", async () => {
    const { written } = await play(
      [{ calls: [store("x")] }, { calls: [propose("a")] }, { calls: [done(1)] }, { text: "Done." }],
      { access: "execute" },
    );
    expect(written).toEqual([]);
  });

  it("proposes anew what was rejected, and is still held back meanwhile", async () => {
    const { written, results, events } = await play(
      [
        { calls: [propose("bad")] },
        { calls: [store("anyway")] },
        { calls: [propose("good")] },
        { calls: [store("good"), done(1)] },
        { text: "Done." },
      ],
      { decisions: [{ decision: "reject", feedback: "not that" }] },
    );
    expect(results[0]).toContain("the user has rejected the plan: not that");
    expect(written).toEqual(["good"]);
    expect(last(events).reason).toBe("done");
  });

  it("is not done before its steps are, and ends as blocked when the model insists", async () => {
    const early = await play([
      { calls: [propose("first", "second")] },
      { calls: [done(1)] },
      { text: "All done!" },
      { calls: [done(2)] },
      { text: "Now it is." },
    ]);
    expect(last(early.events)).toMatchObject({ reason: "done", text: "Now it is." });
    const nudge = early.events.find((event) => event.type === "message_added" && event.note === "nudge");
    expect(nudge).toMatchObject({ message: { content: expect.stringContaining("step 2. second is open") } });

    const insisting = await play([
      { calls: [propose("first")] },
      ...Array.from({ length: 9 }, () => ({ text: "All done!" })),
    ]);
    expect(last(insisting.events)).toMatchObject({
      reason: "blocked",
      message: expect.stringContaining("step 1. first"),
    });
  });

  it("plans anew when a step has failed, and needs approval for it", async () => {
    const {
      written,
      plan: end,
      events,
    } = await play([
      { calls: [propose("find", "patch")] },
      { calls: [done(1), done(2, { failed: true }), store("too soon")] },
      { calls: [propose("rewrite")] },
      { calls: [store("rewritten"), done(2)] },
      { text: "Done." },
    ]);
    expect(written).toEqual(["rewritten"]);
    expect(end?.steps.map(({ description, status }) => `${description}: ${status}`)).toEqual([
      "find: completed",
      "rewrite: completed",
    ]);
    expect(last(events).reason).toBe("done");
  });

  it("ends as denied where nobody can approve, and says why", async () => {
    const {
      written,
      events,
      plan: end,
    } = await play([{ calls: [propose("first")] }, { calls: [store("anyway")] }, { text: "I could not." }], {
      decisions: [{ decision: "unattended" }],
    });
    expect(written).toEqual([]);
    expect(last(events)).toMatchObject({
      reason: "denied",
      denied: ["plan_propose", "store"],
      message: expect.stringContaining("A plan needs somebody who approves it"),
    });
    expect(end?.status).toBe("proposed");
  });

  it("takes a plan that was written as text for a proposal", async () => {
    const { events, plan: end } = await play([
      { text: '```json\n{"title": "t", "steps": ["first"]}\n```' },
      { calls: [done(1)] },
      { text: "Done." },
    ]);
    expect(end?.status).toBe("completed");
    expect(last(events)).toMatchObject({ reason: "done", rescued: 1 });
    expect(events.find(({ type }) => type === "warning")).toMatchObject({ code: "call_rescued" });
  });

  it("asks for the plan when the model only talks", async () => {
    const { events } = await play([
      { text: "I would rename it." },
      { calls: [propose("a")] },
      { calls: [done(1)] },
      { text: "Done." },
    ]);
    expect(events.find(({ type }) => type === "warning")).toMatchObject({ code: "completion_refused" });
    expect(last(events).reason).toBe("done");
  });
});

describe("a session that ended before the user had decided about the plan", () => {
  const kept: Plan = {
    title: "Rename",
    status: "proposed",
    steps: [
      { id: 1, description: "find", dependencies: [], status: "completed", notes: "12 uses" },
      { id: 2, description: "rename", verification: "npm test", dependencies: [1], status: "pending" },
      { id: 3, description: "tell", risk: "low", dependencies: [2], status: "pending" },
    ],
  };

  it("asks again when it goes on, before the model is asked anything", async () => {
    const {
      results,
      plan: end,
      events,
      written,
    } = await play([{ calls: [store("x"), done(2)] }, { calls: [done(3)] }, { text: "Done." }], { kept });
    expect(results[0]).toContain(
      "the user has approved the plan (3 steps); now step 2. rename (verify: npm test)",
    );
    expect(written).toEqual(["x"]);
    expect(end).toEqual({
      ...kept,
      status: "completed",
      steps: kept.steps.map((step) => ({ ...step, status: "completed" })),
    });
    expect(last(events)).toMatchObject({ reason: "done", turns: 4, rescued: 0 });
  });

  it("goes on planning when the answer is no", async () => {
    const { plan: end, written } = await play(
      [{ calls: [store("anyway")] }, { calls: [propose("less")] }, { calls: [done(2)] }, { text: "Done." }],
      { kept, decisions: [{ decision: "reject" }] },
    );
    expect(written).toEqual([]);
    expect(end?.steps.map(({ description }) => description)).toEqual(["find", "less"]);
  });

  it("ends as denied when still nobody is there, and stays undecided", async () => {
    const { events, plan: end } = await play([{ text: "I may not." }], {
      kept,
      decisions: [{ decision: "unattended" }],
    });
    expect(last(events)).toMatchObject({ reason: "denied", turns: 2 });
    expect(end).toEqual(kept);
  });
});

describe("a result that says that nobody was there", () => {
  const toolWith = (access: ToolAccess): Tool =>
    defineTool({
      name: "other",
      description: "",
      access,
      parameters: z.object({}),
      execute: async () => ({ ok: false, error: "no", unattended: true }),
    });

  it("counts from tools of our own only", async () => {
    for (const [access, reason] of [
      ["control", "denied"],
      ["read", "done"],
      ["write", "done"],
    ] as const) {
      const model = createScriptedModel([{ calls: [scriptedCall("other", {})] }, { text: "Well." }]);
      const { events } = await collect({ model, tools: [toolWith(access)] });
      expect(last(events).reason).toBe(reason);
    }
  });
});
