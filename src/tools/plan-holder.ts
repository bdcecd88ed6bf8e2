import type { Plan } from "../core/plan.ts";

/** The plan that the `plan_*` tools work on and that a session keeps. A plan is never changed in place. */
export interface PlanHolder {
  /** Absent outside of plan mode. */
  readonly plan: Plan | undefined;
  /** The plan is still the one that the session has kept: nobody was asked about it since. */
  readonly restored: boolean;
  /** Also to put back what a session has kept. */
  set(plan: Plan | undefined): void;
  /** How many proposals in a row the user has rejected. */
  readonly rejections: number;
  noteReview(rejected: boolean): void;
  /**
   * For each request of plan mode: a plan is wanted, and until one is approved the model may only look. What an unfinished plan has
   * completed stays with the next one.
   */
  begin(): void;
}

export function createPlanHolder(initial?: Plan): PlanHolder {
  let plan = initial;
  let rejections = 0;
  return {
    get plan() {
      return plan;
    },
    get restored() {
      return plan !== undefined && plan === initial;
    },
    get rejections() {
      return rejections;
    },
    set(next) {
      plan = next;
    },
    noteReview(rejected) {
      rejections = rejected ? rejections + 1 : 0;
    },
    begin() {
      rejections = 0;
      plan =
        plan === undefined || plan.status === "completed" || plan.status === "abandoned"
          ? { title: "", steps: [], status: "planning" }
          : { ...plan, status: "planning" };
    },
  };
}
