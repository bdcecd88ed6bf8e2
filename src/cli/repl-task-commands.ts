/** Commands of the screen about long tasks: the window, compaction, plans, and taking requests back. */
import type { AgentEvent } from "../core/events.ts";
import { toPlanText } from "../core/plan-text.ts";
import { toUndoQuestion } from "../tui/choice.ts";
import type { ScreenCommand, ScreenOutput } from "../tui/screen/controller.ts";
import { formatPlan } from "../tui/progress.ts";
import { toStyle } from "../tui/style.ts";
import type { Agent, UndoneRequests } from "./agent.ts";
import { toChangeLines } from "./change-lines.ts";

/** Runs what `start` makes the way a prompt runs, so that an interrupt reaches it. */
export type Follow = (start: (signal: AbortSignal) => AsyncIterable<AgentEvent>) => AsyncIterable<AgentEvent>;

const GIVE_UP = "off";

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
        if (count === undefined) return out.warn(`\`${args}\` is no number of requests.`);
        out.print(toChangeLines(await agent.diff(count), toStyle({ colour: false })).join("\n"));
      },
    },
    {
      name: "/undo",
      description: "take back the last request with what it changed in files: /undo [N]",
      run: async (args, out) => {
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
  if (count > agent.requests.length)
    return out.warn(`This session has ${agent.requests.length} requests to take back, not ${count}.`);
  let outcome = await agent.undo(count);
  if (outcome.requests.length === 0 && outcome.conflicts.length > 0) {
    const conflicts = (await out.choose(toUndoQuestion(outcome))) ?? "stop";
    if (conflicts === "stop") return out.print("Nothing was undone.");
    outcome = await agent.undo(count, { conflicts });
  }
  out.reload();
  out.print(describeUndone(outcome));
  for (const { path, why } of outcome.failed) out.warn(`${path} could not be restored: ${why}`);
  for (const line of outcome.unrecorded ?? []) out.warn(line);
}

function describeUndone({ requests, restored, conflicts, kept }: UndoneRequests): string {
  const taken = requests.length === 1 ? "1 request was" : `${requests.length} requests were`;
  return [
    `${taken} taken back: ${requests.map(({ text }) => text.split("\n")[0]).join("; ")}`,
    restored.length === 0 ? "No file had to be restored." : `Restored: ${restored.join(", ")}`,
    ...(conflicts.length === 0 ? [] : [`Left as they are now: ${conflicts.join(", ")}`]),
    ...(kept === undefined ? [] : [`What was there before lies in checkpoint ${kept}.`]),
  ].join("\n");
}
