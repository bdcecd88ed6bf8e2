import type { PlanReviewer } from "../core/plan.ts";
import type { Tool } from "../core/tool.ts";
import { createTools } from "../tools/index.ts";
import type { LiveSession } from "./live-session.ts";
import type { Ground } from "./open-agent.ts";
import type { Settings } from "./settings.ts";

export interface SessionToolOptions {
  ground: Ground;
  settings: Settings;
  reviewer: PlanReviewer;
}

/** All that the model may call in a session, those of the workspace last. */
export function createSessionTools(
  { todos, taskState }: LiveSession,
  { ground, settings }: SessionToolOptions,
  planTools: readonly Tool[] = [],
): readonly Tool[] {
  const tools = createTools({
    workspace: ground.workspace,
    sandbox: ground.sandbox.sandbox,
    ...(settings.todos ? { todos, taskState } : {}),
    planTools,
    now: () => new Date(),
    allowUnsandboxed: settings.allowUnsandboxed,
  });
  return [...tools, ...ground.customTools.tools];
}

/** With those of plan mode, where the session has a plan. */
export async function renewSessionTools(
  live: LiveSession,
  options: SessionToolOptions,
): Promise<readonly Tool[]> {
  const { plan: holder } = live;
  if (holder.plan === undefined) return createSessionTools(live, options);
  const { createPlanTools } = await import("./plan-mode.ts");
  return createSessionTools(live, options, createPlanTools({ holder, reviewer: options.reviewer }));
}
