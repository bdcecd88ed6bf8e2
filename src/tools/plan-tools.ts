import type { Tool } from "../core/tool.ts";
import { createPlanCompleteStepTool } from "./plan-complete-step.ts";
import { createPlanProposeTool, type PlanToolOptions } from "./plan-propose.ts";

/** For sessions that use plan mode. Not in the door, so that others do not load them. */
export function createPlanTools(options: PlanToolOptions): readonly Tool[] {
  return [createPlanProposeTool(options), createPlanCompleteStepTool(options.holder)];
}
