/** How a plan goes on: which step is next, what completing or failing one makes of it. Plans are never changed in place. */
import type { Plan, PlanStep } from "./plan.ts";

export function isDone({ status }: PlanStep): boolean {
  return status === "completed";
}

/** The step that is in progress, or else the first that could be. */
export function currentStep({ steps }: Plan): PlanStep | undefined {
  return steps.find(({ status }) => status === "in_progress") ?? steps.find((step) => isReady(step, steps));
}

/** All that it depends on is completed. */
function isReady(step: PlanStep, steps: readonly PlanStep[]): boolean {
  return !isDone(step) && openDependencies(step, steps).length === 0;
}

function openDependencies({ dependencies }: PlanStep, steps: readonly PlanStep[]): number[] {
  return dependencies.filter((id) => steps.some((step) => step.id === id && !isDone(step)));
}

/** `2. Write the test (verify: it fails)`, for the model. */
export function describeStep(
  { id, description, verification }: PlanStep,
  { number = true }: { number?: boolean } = {},
): string {
  const verify = verification === undefined ? "" : ` (verify: ${verification})`;
  return `${number ? `${id}. ` : ""}${description}${verify}`;
}

/** The approved plan with its next step in progress, exactly one; completed when none is left. */
export function startNext(plan: Plan): Plan {
  if (plan.steps.every(isDone)) return { ...plan, status: "completed" };
  const rested = plan.steps.map((step) => (isDone(step) ? step : { ...step, status: "pending" as const }));
  const next = currentStep(plan);
  return {
    ...plan,
    status: "approved",
    steps: rested.map((step) => (step.id === next?.id ? { ...step, status: "in_progress" } : step)),
  };
}

export type StepOutcome =
  | { ok: true; plan: Plan; step: PlanStep }
  | { ok: false; error: string; alreadyCompleted?: boolean };

/** Completes a step of an approved plan and starts the next. */
export function completeStep(plan: Plan, id: number, notes?: string): StepOutcome {
  const found = findStep(plan, id);
  if (!found.ok) return found;
  const open = openDependencies(found.step, plan.steps);
  if (open.length > 0) {
    const [plural, verb] = open.length === 1 ? ["", "is"] : ["s", "are"];
    return {
      ok: false,
      error: `step ${id} comes after step${plural} ${open.join(", ")}, which ${verb} not completed. ${toCurrent(plan)}`,
    };
  }
  const step: PlanStep = { ...found.step, status: "completed", ...(notes ? { notes } : {}) };
  return { ok: true, step, plan: startNext({ ...plan, steps: replaceStep(plan.steps, step) }) };
}

/** Gives a step up: the rest has to be planned anew, and until that is approved the model may only look. */
export function failStep(plan: Plan, id: number, notes?: string): StepOutcome {
  const found = findStep(plan, id);
  if (!found.ok) return found;
  const step: PlanStep = { ...found.step, status: "failed", ...(notes ? { notes } : {}) };
  return { ok: true, step, plan: { ...plan, status: "planning", steps: replaceStep(plan.steps, step) } };
}

function findStep(
  plan: Plan,
  id: number,
): { ok: true; step: PlanStep } | Extract<StepOutcome, { ok: false }> {
  if (plan.status !== "approved") return { ok: false, error: NOT_FOLLOWED[plan.status] };
  const step = plan.steps.find((each) => each.id === id);
  if (step === undefined) {
    const ids = plan.steps.map((each) => each.id).join(", ");
    return { ok: false, error: `no step ${id}; there are ${ids}. ${toCurrent(plan)}` };
  }
  if (isDone(step))
    return {
      ok: false,
      error: `step ${id} is already completed. ${toCurrent(plan)}`,
      alreadyCompleted: true,
    };
  return { ok: true, step };
}

const NOT_FOLLOWED: Readonly<Record<Exclude<Plan["status"], "approved">, string>> = {
  planning: "there is no approved plan; call plan_propose first",
  proposed: "the user has not approved the plan yet",
  completed: "the plan is completed; give your final answer",
  abandoned: "the plan was given up",
};

function replaceStep(steps: readonly PlanStep[], step: PlanStep): PlanStep[] {
  return steps.map((each) => (each.id === step.id ? step : each));
}

function toCurrent(plan: Plan): string {
  const step = currentStep(plan);
  return step === undefined ? "" : `In progress is step ${describeStep(step)}`;
}

/** What the model is told to do next. */
export function describeNext(plan: Plan): string {
  if (plan.status === "completed")
    return `all ${plan.steps.length} steps are completed; give your final answer`;
  const step = currentStep(plan);
  return step === undefined ? "" : `now step ${describeStep(step)}; then call plan_complete_step`;
}
