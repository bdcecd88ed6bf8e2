import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import { completeStep, describeNext, failStep } from "../core/plan-steps.ts";
import type { Tool } from "../core/tool.ts";
import type { PlanHolder } from "./plan-holder.ts";

export function createPlanCompleteStepTool(holder: PlanHolder): Tool {
  return defineTool({
    name: "plan_complete_step",
    description: "Report a plan step as done, or as failed",
    parameters: z.object({
      step_id: z.int(),
      verification_notes: z.optional(z.string()),
      failed: z.optional(z.boolean()),
    }),
    aliases: { step_id: ["id", "step"], verification_notes: ["notes", "verification"] },
    access: "control",
    async execute({ step_id: id, verification_notes, failed = false }, { emit }) {
      if (holder.plan === undefined) return { ok: false, error: "there is no plan; call plan_propose first" };
      const notes = verification_notes?.trim().slice(0, MAX_NOTES);
      const outcome = (failed ? failStep : completeStep)(holder.plan, id, notes);
      if (!outcome.ok)
        return {
          ok: false,
          error: outcome.error,
          ...(outcome.alreadyCompleted ? { already_completed: true } : {}),
        };
      holder.set(outcome.plan);
      emit({ type: "plan_changed", plan: outcome.plan });
      if (failed) return { ok: true, output: `step ${id} has failed; ${REPLAN}` };
      return { ok: true, output: `completed step ${id}; ${describeNext(outcome.plan)}` };
    },
  });
}

const MAX_NOTES = 600;
const REPLAN =
  "call plan_propose with the steps that are to be done instead. Completed steps stay, and nothing is changed before the user has approved";
