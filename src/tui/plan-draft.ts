/** A plan that the user may change before they decide. */
import { parsePlanText, toPlanText, type Plan, type PlanDecision } from "../core/index.ts";
import { toTerminalText } from "./terminal-text.ts";

export interface PlanDraft {
  /** As it stands: proposed, or as the user has changed it. */
  readonly plan: Plan;
  /** For an editor, made safe: what is seen is what is read back. */
  readonly text: string;
  /** Takes the edited text over, or says in words what is wrong with it. */
  change(text: string): string | undefined;
  approve(): PlanDecision;
}

export function createPlanDraft(proposed: Plan): PlanDraft {
  const original = toTerminalText(toPlanText(proposed));
  let plan = proposed;
  let text = original;
  return {
    get plan() {
      return plan;
    },
    get text() {
      return text;
    },
    change(edited) {
      if (edited.trim() === original.trim()) {
        plan = proposed;
        text = original;
        return undefined;
      }
      const parsed = parsePlanText(edited);
      if (!parsed.ok) return parsed.error;
      plan = parsed.plan;
      text = toTerminalText(toPlanText(plan));
      return undefined;
    },
    approve: () => ({ decision: "approve", ...(plan === proposed ? {} : { plan }) }),
  };
}
