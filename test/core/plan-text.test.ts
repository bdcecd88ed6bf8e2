import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { parsePlanText, toPlanText } from "../../src/core/plan-text.ts";
import { PLAN_RISKS, PLAN_STEP_STATUSES, type Plan } from "../../src/core/plan.ts";

const plan: Plan = {
  title: "Rename the flag",
  status: "proposed",
  steps: [
    { id: 1, description: "Find the uses", dependencies: [], status: "completed" },
    {
      id: 2,
      description: "Count them with `grep -c | sort`",
      verification: "the count is 12",
      risk: "low",
      dependencies: [1],
      status: "pending",
    },
    { id: 3, description: "Rename", dependencies: [1, 2], status: "pending" },
  ],
};

const TEXT = `# Rename the flag
1. [x] Find the uses
2. Count them with \`grep -c \\| sort\` | verify: the count is 12 | risk: low | after: 1
3. Rename | after: 1, 2
`;

describe("a plan as text", () => {
  it("has a step a line, and reads back as it was", () => {
    expect(toPlanText(plan)).toBe(TEXT);
    expect(parsePlanText(TEXT)).toEqual({ ok: true, plan });
  });

  it("reads back whatever stands in it", () => {
    const text = fc
      .string({ minLength: 1, maxLength: 40 })
      .map((raw) => `[x${raw.replace(/\s+/g, " ").trimEnd()}`);
    const steps = fc.array(
      fc.record(
        {
          description: text,
          verification: text,
          risk: fc.constantFrom(...PLAN_RISKS),
          status: fc.constantFrom(...PLAN_STEP_STATUSES),
          after: fc.array(fc.nat(38)),
        },
        { requiredKeys: ["description", "status", "after"] },
      ),
      { minLength: 1, maxLength: 40 },
    );
    fc.assert(
      fc.property(text, steps, (title, given) => {
        const made: Plan = {
          title,
          status: "proposed",
          steps: given.map(({ after, ...step }, index) => ({
            id: index + 1,
            ...step,
            dependencies: [...new Set(after.filter((id) => id > 0 && id <= index))].toSorted((a, b) => a - b),
          })),
        };
        expect(parsePlanText(toPlanText(made))).toEqual({ ok: true, plan: made });
      }),
      { numRuns: 200 },
    );
  });

  it("may be edited: steps moved, taken out, and added without a number", () => {
    const edited =
      "# Another title\r\n\r\n3. Rename | after: 1\r\n- Tell the users | verify: a note is in README\r\n1. Find the uses\r\n";
    const parsed = parsePlanText(edited);
    expect(parsed).toMatchObject({
      ok: true,
      plan: {
        title: "Another title",
        steps: [
          { id: 1, description: "Rename", dependencies: [3] },
          { id: 2, description: "Tell the users", verification: "a note is in README" },
          { id: 3, description: "Find the uses" },
        ],
      },
    });
    expect(parsePlanText("just do it")).toMatchObject({
      ok: true,
      plan: { steps: [{ description: "just do it" }] },
    });
  });

  it.each([
    ["1. a\n2. b | after: 3", "line 2: it comes after step 3, which is not in the plan"],
    ["# t\n\n1. a\n1. b", "line 4: there is a step 1 already; give it another number, or none"],
    ["1. a | risk: huge", "line 1: risk is `huge`; it can be low, medium, high"],
    ["1. a | after: two", "line 1: after names `two`; give numbers of steps, such as `after: 1, 2`"],
    [
      "1. a\n2. b | riks: low",
      "line 2: `| riks: low` is no field; there are verify, risk and after, and a bar in a text is written `\\|`",
    ],
    ["1. a\n2. | verify: b", "line 2: there is no description"],
    [
      "1. a | after: 2\n2. b | after: 1",
      "line 1: steps 1, 2 depend on each other, so none of them can be first",
    ],
    [`1. a\n2. ${"x".repeat(700)}`, "line 2: step 2 is longer than 600 characters; say it shorter"],
    ["# only a title", "there is no step in it; write one a line, such as `1. Read the file`"],
  ])("says where it is wrong: %j", (text, error) => {
    expect(parsePlanText(text)).toEqual({ ok: false, error });
  });
});
