/** Has the user decide about a proposed plan, in a call of the model or, after a resume, between runs. */
import { errorMessage } from "../core/errors.ts";
import { freezeDeep } from "../core/digest.ts";
import { parsePlanText, toPlanText } from "../core/plan-text.ts";
import { isDone, startNext } from "../core/plan-steps.ts";
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
