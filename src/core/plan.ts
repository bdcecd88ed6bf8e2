/** The plan that the user has approved, or is asked to: the agent follows it step by step. */
export const PLAN_STEP_STATUSES = ["pending", "in_progress", "completed", "failed"] as const;

export type PlanStepStatus = (typeof PLAN_STEP_STATUSES)[number];

export const PLAN_RISKS = ["low", "medium", "high"] as const;

export type PlanRisk = (typeof PLAN_RISKS)[number];

export interface PlanStep {
  /** From 1, in the order of the plan. */
  id: number;
  description: string;
  /** How it is checked that the step was done. */
  verification?: string;
  risk?: PlanRisk;
  /** Steps that come before this one. */
  dependencies: readonly number[];
  status: PlanStepStatus;
  notes?: string;
}

export const PLAN_STATUSES = ["planning", "proposed", "approved", "completed", "abandoned"] as const;

/** `planning`: the model may only look. `proposed`: the user has to decide. `approved`: the steps are followed. */
export type PlanStatus = (typeof PLAN_STATUSES)[number];

/** Plans are never changed in place. */
export interface Plan {
  title: string;
  steps: readonly PlanStep[];
  status: PlanStatus;
}

export type PlanDecision =
  /** `plan`: as the user edited it; absent: as proposed. */
  | { decision: "approve"; plan?: Plan }
  | { decision: "reject"; feedback?: string }
  /** Nobody is there to decide. */
  | { decision: "unattended" };

/** For runs that nobody attends. */
export const reviewUnattended: PlanReviewer = { review: async () => ({ decision: "unattended" }) };

/** Shows a plan to the user. Throws the signal's reason on abort. */
export interface PlanReviewer {
  review(plan: Plan, options: { signal: AbortSignal }): Promise<PlanDecision>;
}
