import { describe, expect, it } from "vitest";
import { parseProposal } from "../../src/core/plan-proposal.ts";
import type { Plan, PlanStep } from "../../src/core/plan.ts";

function stepsOf(input: unknown, before?: Plan): readonly PlanStep[] {
  const parsed = parseProposal(input, before);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.plan.steps;
}

function errorOf(input: unknown, before?: Plan): string {
  const parsed = parseProposal(input, before);
  if (parsed.ok) throw new Error("the plan was taken");
  return parsed.error;
}

const step = (id: number, description: string, more: Partial<PlanStep> = {}): PlanStep => ({
  id,
  description,
  dependencies: [],
  status: "pending",
  ...more,
});

describe("a proposed plan", () => {
  it("is taken as the form says", () => {
    const input = {
      title: "Rename the flag",
      steps: [
        { description: "Find the uses" },
        { description: "Rename them", verification: "npm test passes", risk: "medium", depends_on: [1] },
      ],
    };
    expect(parseProposal(input)).toEqual({
      ok: true,
      plan: {
        title: "Rename the flag",
        status: "proposed",
        steps: [
          step(1, "Find the uses"),
          step(2, "Rename them", { verification: "npm test passes", risk: "medium", dependencies: [1] }),
        ],
      },
    });
  });

  it.each([
    ["texts", { title: "t", steps: ["1. Read a.txt", "- Write b.txt"] }],
    ["texts in one text", { title: "t", steps: "1) Read a.txt\n\n2) Write b.txt" }],
    ["JSON text", { title: "t", steps: '[{"step": "Read a.txt"}, {"action": "Write b.txt"}]' }],
    ["JSON texts", { title: "t", steps: ['{"description": "Read a.txt"}', '{"task": "Write b.txt"}'] }],
    ["steps by their numbers", { steps: { "1": "Read a.txt", "2": { description: "Write b.txt" } } }],
    ["a plan in a plan", { plan: { title: "t", steps: ["Read a.txt", "Write b.txt"] } }],
    ["a bare list", ["Read a.txt", { name: "Write b.txt", step: 2 }]],
    ["a whole plan as JSON text", '{"title": "t", "steps": ["Read a.txt", "Write b.txt"]}'],
    ["line ends in a description", { steps: ["Read\n  a.txt", { description: " Write\tb.txt " }] }],
  ])("is taken when its steps come as %s", (_, input) => {
    expect(stepsOf(input).map(({ description }) => description)).toEqual(["Read a.txt", "Write b.txt"]);
  });

  it.each([
    ["depends_on", [1]],
    ["dependencies", ["1"]],
    ["dependsOn", "1"],
    ["after", "step 1"],
    ["requires", ["Step-1"]],
    ["depends_on", "[1]"],
    ["depends_on", [{ id: 1 }]],
  ])("may name dependencies as `%s`: %j", (name, value) => {
    expect(stepsOf({ steps: ["a", { description: "b", [name]: value }] })[1]?.dependencies).toEqual([1]);
  });

  it.each([[[]], ["none"], [[0]], [null], ["N/A"]])("takes %j for no dependency", (value) => {
    expect(stepsOf({ steps: ["a", { description: "b", depends_on: value }] })[1]?.dependencies).toEqual([]);
  });

  it("numbers steps anew that have ids of their own", () => {
    const steps = [
      { id: "read", description: "a" },
      { id: "write", description: "b", dependencies: ["read"] },
      { id: "test", description: "c", dependencies: "read, write" },
    ];
    expect(stepsOf({ steps }).map(({ id, dependencies }) => [id, dependencies])).toEqual([
      [1, []],
      [2, [1]],
      [3, [1, 2]],
    ]);
    const fromZero = [
      { id: 0, description: "a" },
      { id: 1, description: "b", depends_on: ["1"] },
    ];
    expect(errorOf({ steps: fromZero })).toContain("depends on itself");
    expect(
      stepsOf({
        steps: [
          { id: 10, description: "a" },
          { id: 20, description: "b", after: [10] },
        ],
      }),
    ).toEqual([step(1, "a"), step(2, "b", { dependencies: [1] })]);
  });

  it("reads a risk in other words, and leaves out what is none", () => {
    const risks = ["HIGH", "med", "low risk", "unclear", 3];
    const steps = risks.map((risk, index) => ({ description: `do ${index}`, risk }));
    expect(stepsOf({ steps }).map(({ risk }) => risk)).toEqual([
      "high",
      "medium",
      "low",
      undefined,
      undefined,
    ]);
  });

  it("says what is wrong with it", () => {
    expect(errorOf({ title: "t" })).toBe("`steps` is empty; give 1 to 40 steps, each with a description");
    for (const input of [
      undefined,
      null,
      7,
      "",
      {},
      [],
      { steps: [] },
      { steps: "" },
      { steps: null },
      { plan: 4 },
    ])
      expect(errorOf(input)).toContain("`steps` is empty");
    expect(errorOf({ steps: ["a", { verification: "b" }] })).toBe("step 2 has no description");
    expect(errorOf({ steps: ["a", 4, null] })).toBe("step 3 has no description");
    expect(errorOf({ steps: ["a", { description: "b", after: [7] }] })).toBe(
      "step 2 depends on step 7, which is not in the plan",
    );
    expect(errorOf({ steps: Array.from({ length: 41 }, (_, index) => `do ${index}`) })).toContain(
      "at most 40",
    );
    expect(errorOf({ steps: ["x".repeat(601)] })).toContain("step 1 is longer than 600 characters");
  });

  it("is refused when its steps wait for each other", () => {
    const steps = [
      "free",
      { description: "a", depends_on: [3] },
      { description: "b", depends_on: [2] },
      { description: "c", depends_on: [4] },
    ];
    expect(errorOf({ steps })).toBe("steps 2, 3, 4 depend on each other, so none of them can be first");
    expect(errorOf({ steps: [{ description: "a", depends_on: [1] }] })).toBe("step 1 depends on itself");
  });

  it("is no trap, however deep or long", () => {
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    expect(parseProposal({ steps: deep }).ok).toBe(false);
    const wide = { steps: Array.from({ length: 100_000 }, () => "x") };
    expect(errorOf(wide)).toContain("at most 40");
    expect(errorOf({ steps: ["a |".repeat(50_000)] })).toContain("longer than");
    expect(stepsOf({ title: "t".repeat(10_000), steps: ["a"] })).toHaveLength(1);
  });
});

describe("a plan proposed anew", () => {
  const before: Plan = {
    title: "old",
    status: "planning",
    steps: [
      step(1, "Read the file", { status: "completed", notes: "12 lines" }),
      step(2, "Patch it", { status: "failed", dependencies: [1] }),
      step(3, "Write the test", { status: "completed", dependencies: [1] }),
      step(4, "Run it", { dependencies: [2, 3] }),
    ],
  };

  it("keeps the completed steps in front and drops the open ones", () => {
    expect(
      stepsOf({ title: "new", steps: ["Rewrite it", { description: "Run it", depends_on: [1] }] }, before),
    ).toEqual([
      step(1, "Read the file", { status: "completed", notes: "12 lines" }),
      step(2, "Write the test", { status: "completed", dependencies: [1] }),
      step(3, "Rewrite it"),
      step(4, "Run it", { dependencies: [3] }),
    ]);
  });

  it("does not do a completed step again that is named again", () => {
    const steps = ["read the file.", { description: "Rewrite it", depends_on: [1] }];
    expect(
      stepsOf({ steps }, before).map(({ description, dependencies }) => [description, dependencies]),
    ).toEqual([
      ["Read the file", []],
      ["Write the test", [1]],
      ["Rewrite it", [1]],
    ]);
    expect(errorOf({ steps: ["Read the file"] }, before)).toContain(
      "all of these steps are completed already",
    );
  });

  it("may build on completed steps by the numbers that they had", () => {
    const steps = [{ id: 5, description: "Rewrite it", depends_on: [3] }];
    expect(stepsOf({ steps }, before).at(-1)).toEqual(step(3, "Rewrite it", { dependencies: [2] }));
  });
});
