/** One load at a time, first come first served: two at once would each count on the memory that the other takes. */
import { engineFailed } from "../engine-failure.ts";

export interface LoadQueue {
  /** Throws `AgentError` `engine_failed` with reason `queue_full` when too many wait already, and what `work` throws. */
  run(work: () => Promise<void>): Promise<void>;
  /** All that was asked for is over. */
  idle(): Promise<void>;
}

export function createLoadQueue(waitingLimit: number): LoadQueue {
  let last: Promise<void> = Promise.resolve();
  /** The one that loads, and those that wait. */
  let count = 0;
  return {
    idle: () => last,
    run: async (work) => {
      if (count > waitingLimit) {
        const message = `${waitingLimit} models are waiting to be loaded already. Try again later, or use fewer models at once.`;
        throw engineFailed("queue_full", message);
      }
      count += 1;
      const turn = last.then(work).finally(() => {
        count -= 1;
      });
      last = turn.catch(() => undefined);
      await turn;
    },
  };
}
