import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import { PLAN_PROPOSE } from "../core/plan-mode.ts";
import { parseProposal } from "../core/plan-proposal.ts";
import { toPlanText } from "../core/plan-text.ts";
import { PLAN_RISKS, type Plan, type PlanReviewer } from "../core/plan.ts";
import type { Tool, ToolContext, ToolResult } from "../core/tool.ts";
import type { PlanHolder } from "./plan-holder.ts";
import { describeReview, reviewPlan, type ReviewedPlan } from "./plan-review.ts";

export interface PlanToolOptions {
  holder: PlanHolder;
  reviewer: PlanReviewer;
}

/** In a row; whoever does not know by then what is wanted should ask. */
const MAX_REJECTIONS = 5;

export function createPlanProposeTool({ holder, reviewer }: PlanToolOptions): Tool {
  const definition = defineTool({
    name: PLAN_PROPOSE,
    description: "Propose a plan to the user",
    parameters: z.object({
      title: z.string(),
      steps: z.array(
        z.object({
          description: z.string(),
          verification: z.optional(z.string()),
          risk: z.optional(z.enum(PLAN_RISKS)),
          depends_on: z.optional(z.array(z.int())),
        }),
      ),
    }),
    access: "control",
    execute: async () => ({ ok: false, error: "a plan is read by its own parser" }),
  });
  return {
    ...definition,
    /** Takes more than the schema says, see `core/plan-proposal.ts`. */
    parse(input) {
      const parsed = parseProposal(input, toUnfinished(holder.plan));
      return parsed.ok
        ? { ok: true, arguments: parsed.plan }
        : {
            ok: false,
            error: `Invalid plan: ${parsed.error}. Expected {title, steps: [{description, verification?, risk?, depends_on?}]}.`,
          };
    },
    preview: async (input) => ({ kind: "text", text: toPlanText(input as Plan), concerns: [] }),
    async execute(input, context): Promise<ToolResult> {
      if (holder.rejections >= MAX_REJECTIONS)
        return {
          ok: false,
          error: `the user has rejected ${holder.rejections} plans; answer with BLOCKED: and ask what they want`,
        };
      const reviewed = await propose(input as Plan, { holder, reviewer }, context);
      holder.noteReview(reviewed.decision === "rejected");
      return toResult(reviewed);
    },
  };
}

/** A plan that is over leaves nothing to the next one. */
function toUnfinished(plan: Plan | undefined): Plan | undefined {
  return plan?.status === "completed" || plan?.status === "abandoned" ? undefined : plan;
}

async function propose(
  plan: Plan,
  { holder, reviewer }: PlanToolOptions,
  { emit, signal }: ToolContext,
): Promise<ReviewedPlan> {
  const keep = (next: Plan): void => {
    holder.set(next);
    emit({ type: "plan_changed", plan: next });
  };
  const before = holder.plan;
  keep(plan);
  const reviewed = await reviewPlan(plan, reviewer, { signal });
  // Whoever does not want another plan wants the one that they have approved.
  const kept =
    reviewed.decision === "rejected" && before?.status === "approved"
      ? { ...reviewed, plan: before }
      : reviewed;
  if (kept.decision !== "unattended") keep(kept.plan);
  return kept;
}

function toResult(reviewed: ReviewedPlan): ToolResult {
  const words = describeReview(reviewed);
  if (reviewed.decision === "approved") return { ok: true, output: words };
  if (reviewed.decision === "rejected") return { ok: false, error: words };
  return { ok: false, error: `denied: ${words}`, unattended: true };
}
