/** Runs of bubblewrap in control groups of their own, where some can be made. */
import type { SandboxProcess, SandboxResult, SandboxRunOptions } from "../core/sandbox.ts";
import { createControlGroup } from "./cgroup.ts";
import { prestart, type PrestartedChild } from "./prestart.ts";
import { MAX_PROCESSES } from "./run-limits.ts";
import { supervise, superviseProgram, type ChildEnd, type ChildPlan } from "./supervise.ts";
import type { Verdict } from "./watch-tree.ts";

/** Of bubblewrap itself: the one outside and the first one inside. */
const OWN_PROCESSES = 2;

/** Bubblewrap starts in the group, or reads its last arguments only when it is there, so nothing of the program is ever outside. */
function putInGroup(plan: ChildPlan): { plan: ChildPlan; remove: () => void } {
  const group = createControlGroup({
    memoryBytes: plan.memoryMb * 1_024 * 1_024,
    processes: MAX_PROCESSES + OWN_PROCESSES,
  });
  if (group === undefined) return { plan, remove: () => {} };
  const verdict = (): Verdict | undefined => group.verdict();
  const entering = plan.user.uid === undefined ? undefined : group.toEntering(plan.argv, plan.user.uid);
  const own =
    entering === undefined
      ? { ...plan, verdict, onSpawn: (pid: number) => group.enter(pid) }
      : { ...plan, verdict, argv: entering };
  return { plan: own, remove: () => group.remove() };
}

/**
 * Root makes groups and has its commands enter them at once, whoever they run as. Others would have theirs moved, which may take a while,
 * and mostly cannot make any.
 */
const isOfRoot = ({ user }: ChildPlan): boolean => user.uid !== undefined;

/** Runs it in a group where this process is root. */
export async function superviseInGroup(plan: ChildPlan, options: SandboxRunOptions): Promise<ChildEnd> {
  if (!isOfRoot(plan)) return supervise(plan, options);
  const group = putInGroup(plan);
  try {
    return await supervise(group.plan, options);
  } finally {
    group.remove();
  }
}

/** Like `superviseInGroup`, for a command that is not known yet. */
export async function prestartInGroup(plan: ChildPlan, before: string): Promise<PrestartedChild> {
  const group = isOfRoot(plan) ? putInGroup(plan) : { plan, remove: () => {} };
  try {
    const child = await prestart(group.plan, before);
    return {
      isWaiting: child.isWaiting,
      handOver: (text, options) => child.handOver(text, options).finally(group.remove),
      [Symbol.asyncDispose]: async () => {
        await child[Symbol.asyncDispose]();
        group.remove();
      },
    };
  } catch (thrown) {
    group.remove();
    throw thrown;
  }
}

export async function startInGroup(
  plan: ChildPlan,
  options: SandboxRunOptions,
  finish: (end: ChildEnd) => SandboxResult,
): Promise<SandboxProcess> {
  const group = putInGroup({ ...plan, timeoutMs: undefined });
  try {
    return await superviseProgram(group.plan, options, (end) => {
      group.remove();
      return finish(end);
    });
  } catch (thrown) {
    group.remove();
    throw thrown;
  }
}
