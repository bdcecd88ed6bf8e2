/** Lets one piece of work in at a time, in the order in which they came. */
export interface Queue {
  /**
   * Resolves with the way to let the next one in, or with `undefined` when `signal` aborts first.
   */
  enter(signal?: AbortSignal): Promise<(() => void) | undefined>;
}

export function createQueue(): Queue {
  const waiting: (() => void)[] = [];
  let busy = false;
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) busy = false;
    else next();
  };
  return {
    async enter(signal) {
      if (signal?.aborted) return undefined;
      if (!busy) {
        busy = true;
        return leave;
      }
      return new Promise((resolve) => {
        const enter = (): void => {
          signal?.removeEventListener("abort", giveUp);
          resolve(leave);
        };
        const giveUp = (): void => {
          waiting.splice(waiting.indexOf(enter), 1);
          resolve(undefined);
        };
        waiting.push(enter);
        signal?.addEventListener("abort", giveUp, { once: true });
      });
    },
  };
}
