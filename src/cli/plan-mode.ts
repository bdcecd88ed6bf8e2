/** Plan mode of an open session, loaded when the first plan is wanted. */
import { planningPolicy, toPlanRequest } from "../core/plan-mode.ts";
import { rescuePlans } from "../core/plan-rescue.ts";
import type { Plan } from "../core/plan.ts";
import { modePolicy } from "../core/permission.ts";
import type { RunOptions } from "../core/run-options.ts";
import type { PlanHolder } from "../tools/index.ts";

export { createPlanTools } from "../tools/plan-tools.ts";

/** From now on a plan is wanted. Returns the request as it is sent. */
export function beginPlan(input: string, holder: PlanHolder): string {
  holder.begin();
  return toPlanRequest(input);
}

/**
 * A run that follows the plan, and changes nothing before there is one. After a resume it asks first about one that was never decided about;
 * whoever has just turned away from that question has something else to say.
 */
export function followPlan(options: RunOptions, holder: PlanHolder): RunOptions {
  const plan = (): Plan | undefined => holder.plan;
  return {
    ...options,
    model: rescuePlans(options.model, plan, { restored: holder.restored }),
    policy: planningPolicy(options.policy ?? modePolicy, plan),
  };
}
