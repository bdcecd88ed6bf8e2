/** Plan mode: until the user has approved a plan, the model may look and nothing else, whatever the mode and the answers that are kept. */
import { isHarmlessCommand } from "./harmless-command.ts";
import {
  classifyCall,
  type PermissionCall,
  type PermissionDecision,
  type PermissionPolicy,
} from "./permission.ts";
import type { Plan } from "./plan.ts";

/** Name of the tool whose call proposes a plan. */
export const PLAN_PROPOSE = "plan_propose";

/** What to do when nobody could be asked about a plan. */
export const PLAN_UNATTENDED_ADVICE =
  "A plan needs somebody who approves it: run it in a terminal, or without `--plan`. A resumed session asks about it again.";

/** Whether the model may only look. */
export function isPlanning(plan: Plan | undefined): boolean {
  return plan?.status === "planning" || plan?.status === "proposed";
}

/**
 * While a plan is made or undecided, only what is known to change nothing goes on to `policy`: tools that read, the agent's own lists, and
 * commands that normal mode runs unasked and that are isolated. Other calls of the reply that proposes the plan are refused also when it
 * was approved at once, since they were written before. Make one for each run: it remembers the turn of a proposal.
 */
export function planningPolicy(policy: PermissionPolicy, plan: () => Plan | undefined): PermissionPolicy {
  let proposedIn: number | undefined;
  return {
    async decide(call) {
      if (call.tool === PLAN_PROPOSE) {
        proposedIn = call.turn;
        // The call itself asks the user; to ask first whether it may is one question too many.
        const decision = await policy.decide(call);
        return decision.decision === "ask" ? { decision: "run" } : decision;
      }
      if (isLooking(call)) return policy.decide(call);
      if (isPlanning(plan())) return refuse(call, plan()?.status === "proposed" ? UNDECIDED : UNPLANNED);
      if (proposedIn !== undefined && proposedIn === call.turn) return refuse(call, SAME_REPLY);
      return policy.decide(call);
    },
    remember: (calls, scope) => policy.remember(calls, scope),
  };
}

const UNPLANNED =
  "nothing is changed before the user has approved a plan. Look around with read, ls, glob and grep, then call plan_propose";
const UNDECIDED = "the user has not approved the plan yet; plan_propose asks them";
const SAME_REPLY =
  "this call came in the same reply as the plan, before the user had seen it. Make it again now if the plan still wants it";

function refuse({ tool }: PermissionCall, why: string): PermissionDecision {
  return { decision: "refuse", why: `\`${tool}\` cannot run now: ${why}` };
}

function isLooking(call: PermissionCall): boolean {
  const { access, preview } = call;
  if ((preview.writes?.length ?? 0) > 0) return false;
  if (access === "read" || access === "control") return true;
  const isHarmless = preview.command !== undefined && isHarmlessCommand(preview.command);
  return isHarmless && classifyCall(call).class === "harmlessCommand";
}

/** The user's request as it is sent in plan mode. */
export function toPlanRequest(text: string): string {
  return `${text}\n\n${PLAN_INSTRUCTION}`;
}

const PLAN_INSTRUCTION =
  "[Plan mode: change nothing yet. Look at what you need, then call plan_propose with the steps and how each is verified. Once the user " +
  "has approved, do the steps one by one and report each with plan_complete_step.]";
