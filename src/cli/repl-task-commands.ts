/** Commands of the screen about long tasks: the window, compaction, plans, and taking requests back. */
import type { UndoOutcome } from "../core/checkpoint.ts";
import type { AgentEvent } from "../core/events.ts";
import { toPlanText } from "../core/plan-text.ts";
import { toUndoQuestion } from "../tui/undo-question.ts";
import type { ScreenCommand, ScreenOutput } from "../tui/screen/controller.ts";
import { formatPlan } from "../tui/progress.ts";
import { toStyle } from "../tui/style.ts";
import type { Agent } from "./agent.ts";
import { toChangeLines } from "./change-lines.ts";
import { toCheckpoints } from "./tidy-checkpoints.ts";

/** Runs what `start` makes the way a prompt runs, so that an interrupt reaches it. */
export type Follow = (start: (signal: AbortSignal) => AsyncIterable<AgentEvent>) => AsyncIterable<AgentEvent>;

const GIVE_UP = "off";
/** One or several names of checkpoints. */
const CHECKPOINTS = /^[a-z0-9]+-[0-9a-f]{12}(\s+[a-z0-9]+-[0-9a-f]{12})*$/;

/** What goes wrong in these is for the screen to say. */
export function createTaskCommands(agent: Agent, follow: Follow): ScreenCommand[] {
  return [
    {
      name: "/plan",
      description:
        "the plan; /plan TASK has one made and asks before anything is changed; /plan off gives it up",
      submit: (task) =>
        task === "" || task === GIVE_UP
          ? undefined
          : follow((signal) => agent.prompt(task, { signal, plan: true })),
      complete: async (prefix) => [GIVE_UP].filter((word) => word.startsWith(prefix)),
      run: async (args, out) => {
        if (args !== GIVE_UP) return out.print(describePlan(agent));
        const { plan, taskState } = agent;
        if (plan === undefined && taskState === undefined) return out.print("There is nothing to give up.");
        await agent.giveUpPlan();
        out.print("Plan and task state are given up; nothing of them is waited for any more.");
      },
    },
    {
      name: "/context",
      description: "what takes up the model's window",
      whileRunning: true,
      run: async (_args, out) => showContext(agent, out),
    },
    {
      name: "/compact",
      description: "shorten the conversation now, keeping what matters: /compact [FOCUS]",
      submit: (focus) => follow((signal) => agent.compact(focus, { signal })),
      run: async () => {},
    },
    {
      name: "/diff",
      description: "what the agent has changed in files: /diff [N] for the last N requests",
      run: async (args, out) => {
        const count = toCount(args, agent.requests.length);
        if (count === undefined || (count === 0 && args !== ""))
          return out.warn(`\`${args}\` is no number of requests.`);
        out.print(toChangeLines(await agent.diff(count), toStyle({ colour: false })).join("\n"));
      },
    },
    {
      name: "/undo",
      description:
        "take back the last request with what it changed in files: /undo [N]; files alone: /undo CHECKPOINT",
      run: async (args, out) => {
        if (CHECKPOINTS.test(args)) return restore(agent, args.split(/\s+/), out);
        const count = toCount(args, 1);
        if (count === undefined || count === 0)
          return out.warn(`\`${args}\` is no number of requests to take back.`);
        await undo(agent, count, out);
      },
    },
  ];
}

function toCount(args: string, fallback: number): number | undefined {
  if (args === "") return fallback;
  return /^\d{1,6}$/.test(args) ? Number(args) : undefined;
}

function describePlan({ plan }: Agent): string {
  if (plan === undefined) return "There is no plan. Have one made first: `/plan TASK`.";
  const progress = formatPlan(plan);
  return plan.steps.length === 0 ? progress : `${progress}\n${toPlanText(plan).trimEnd()}`;
}

async function showContext(agent: Agent, out: ScreenOutput): Promise<void> {
  const { formatContextUse } = await import("../tui/context-view.ts");
  out.print(formatContextUse(await agent.contextUse()).join("\n"));
}

async function undo(agent: Agent, count: number, out: ScreenOutput): Promise<void> {
  if (agent.requests.length === 0) return out.print("There is nothing to take back yet.");
  const { length } = agent.requests;
  if (count > length)
    return out.warn(
      `This session has ${length} ${length === 1 ? "request" : "requests"} to take back, not ${count}.`,
    );
  const outcome = await settle(out, (conflicts) => agent.undo(count, { conflicts }));
  if (outcome === undefined) return;
  const { requests } = outcome;
  out.reload();
  const taken = requests.length === 1 ? "1 request was" : `${requests.length} requests were`;
  out.print(`${taken} taken back: ${requests.map(({ text }) => text.split("\n")[0]).join("; ")}`);
  sayRestored(outcome, toCheckpoints(requests), out);
}

async function restore(agent: Agent, checkpoints: readonly string[], out: ScreenOutput): Promise<void> {
  const outcome = await settle(out, (conflicts) => agent.restore(checkpoints, { conflicts }));
  if (outcome !== undefined) sayRestored(outcome, checkpoints, out);
}

/** Asks where there are conflicts. `undefined` when nothing is to be done then. */
async function settle<Outcome extends UndoOutcome>(
  out: ScreenOutput,
  attempt: (conflicts: "stop" | "skip" | "force") => Promise<Outcome>,
): Promise<Outcome | undefined> {
  const outcome = await attempt("stop");
  if (outcome.conflicts.length === 0) return outcome;
  const conflicts = (await out.choose(toUndoQuestion(outcome))) ?? "stop";
  if (conflicts !== "stop") return attempt(conflicts);
  out.print("Nothing was undone.");
  return undefined;
}

function sayRestored(
  { restored, conflicts, failed, unrecorded = [], kept }: UndoOutcome,
  checkpoints: readonly string[],
  out: ScreenOutput,
): void {
  const lines = [
    restored.length === 0 ? "No file had to be restored." : `Restored: ${restored.join(", ")}`,
    ...(conflicts.length === 0 ? [] : [`Left as they are now: ${conflicts.join(", ")}`]),
    ...(kept === undefined ? [] : [`Brings back the files that were there: /undo ${kept}`]),
  ];
  out.print(lines.join("\n"));
  for (const { path, why } of failed) out.warn(`${path} could not be restored: ${why}`);
  if (failed.length > 0) out.warn(`If that can be mended, try again then: /undo ${checkpoints.join(" ")}`);
  for (const line of unrecorded) out.warn(line);
}
