/** Has the user decide about a proposed plan. */
import { errorMessage } from "../core/errors.ts";
import { freezeDeep } from "../core/digest.ts";
import { PLAN_UNATTENDED_ADVICE } from "../core/plan-mode.ts";
import { parsePlanText, toPlanText } from "../core/plan-text.ts";
import { describeNext, isDone, startNext } from "../core/plan-steps.ts";
import type { Plan, PlanDecision, PlanReviewer } from "../core/plan.ts";

/** `plan` is what there is to go on with. */
export type ReviewedPlan =
  | { decision: "approved"; plan: Plan; edited: boolean }
  | { decision: "rejected"; plan: Plan; feedback?: string }
  | { decision: "unattended"; plan: Plan; why?: string };

/** Only an answer that is clearly a yes approves; a reviewer that breaks is nobody. Throws the signal's reason on abort. */
export async function reviewPlan(
  proposed: Plan,
  reviewer: PlanReviewer,
  { signal }: { signal: AbortSignal },
): Promise<ReviewedPlan> {
  const plan = freezeDeep(structuredClone(proposed));
  let answer: PlanDecision;
  try {
    answer = await reviewer.review(plan, { signal });
  } catch (error) {
    signal.throwIfAborted();
    return { decision: "unattended", plan, why: errorMessage(error) };
  }
  signal.throwIfAborted();
  if (answer?.decision === "reject") {
    const feedback = typeof answer.feedback === "string" ? answer.feedback.trim() : "";
    return { decision: "rejected", plan: { ...plan, status: "planning" }, ...(feedback ? { feedback } : {}) };
  }
  if (answer?.decision !== "approve") return { decision: "unattended", plan };
  if (answer.plan === undefined) return { decision: "approved", plan: startNext(plan), edited: false };
  const edited = toEdited(answer.plan, plan);
  if ("why" in edited) return { decision: "unattended", plan, why: edited.why };
  return {
    decision: "approved",
    plan: startNext(edited.plan),
    edited: toPlanText(edited.plan) !== toPlanText(plan),
  };
}

/** Checked like any plan; completed steps keep their notes. */
function toEdited(edited: Plan, before: Plan): { plan: Plan } | { why: string } {
  const parsed = parsePlanText(toPlanText(edited));
  if (!parsed.ok) return { why: `the edited plan cannot be used: ${parsed.error}` };
  const notes = new Map(before.steps.filter(isDone).map((step) => [step.description, step.notes]));
  const steps = parsed.plan.steps.map((step) => {
    const kept = isDone(step) ? notes.get(step.description) : undefined;
    return kept === undefined ? step : { ...step, notes: kept };
  });
  return { plan: { ...parsed.plan, steps } };
}

/** In words for the model, with what comes next. */
export function describeReview(reviewed: ReviewedPlan): string {
  const { plan } = reviewed;
  if (reviewed.decision === "approved") {
    const { length } = plan.steps;
    const said = reviewed.edited
      ? `the user has edited the plan and approved it:\n${toPlanText(plan)}`
      : `the user has approved the plan (${length} ${length === 1 ? "step" : "steps"}); `;
    return `${said}${describeNext(plan)}`;
  }
  if (reviewed.decision === "rejected") {
    const why = reviewed.feedback === undefined ? "" : `: ${reviewed.feedback}`;
    const isKept = plan.status === "approved";
    return `the user has rejected the plan${why}. ${isKept ? `Go on with the plan before: ${describeNext(plan)}` : "Propose a changed one"}`;
  }
  const why = reviewed.why === undefined ? "" : ` (${reviewed.why})`;
  return `nobody is there to approve the plan${why}, so nothing may be changed. Stop here. ${PLAN_UNATTENDED_ADVICE}`;
}
