/** A child that is started before its command is known, and becomes the command when it is handed one. */
import type { SandboxRunOptions } from "../core/sandbox.ts";
import { startChild, type StartedChild } from "./start-child.ts";
import { ABORTED, follow, type ChildEnd, type ChildPlan } from "./supervise.ts";

export interface PrestartedChild extends AsyncDisposable {
  /** Whether it is there, as far as is known by now. */
  isWaiting(): boolean;
  /** Call it once. Time counts from here. `text`: what the child reads from its input, which then ends. */
  handOver(text: string, options: SandboxRunOptions & { timeoutMs: number }): Promise<ChildEnd>;
}

/** `before`: what the child reads at once. It keeps this process from ending no more than a closed one. Throws like `supervise`. */
export async function prestart(plan: ChildPlan, before: string): Promise<PrestartedChild> {
  const started = await startChild({ ...plan, timeoutMs: undefined }, "pipe");
  const { child } = started;
  // A child that ends before it has read everything is noticed by its end.
  child.stdin!.on("error", () => {});
  child.stdin!.write(before);
  hold(started, false);
  const isWaiting = (): boolean => child.exitCode === null && child.signalCode === null;
  const discard = async (): Promise<void> => {
    if (!isWaiting()) return started.release();
    hold(started, true);
    const { ended, stop } = follow(plan, started, {});
    stop("aborted");
    await ended;
  };
  return {
    isWaiting,
    async handOver(text, options) {
      if (options.signal?.aborted) {
        await discard();
        return ABORTED;
      }
      hold(started, true);
      const { timeoutMs } = options;
      const { ended } = follow({ ...plan, timeoutMs }, { ...started, startedMs: performance.now() }, options);
      child.stdin!.end(text);
      return ended;
    },
    [Symbol.asyncDispose]: discard,
  };
}

interface Holding {
  ref?: () => void;
  unref?: () => void;
}

/** Whether the child keeps this process from ending. */
function hold({ child, streams }: StartedChild, isHeld: boolean): void {
  for (const each of [child, ...child.stdio, ...streams] as (Holding | null)[])
    if (isHeld) each?.ref?.();
    else each?.unref?.();
}
