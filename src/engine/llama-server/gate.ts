/** Lets so many through at a time; others wait in order, and only so many of them. */
import { engineFailed } from "../engine-failure.ts";

export interface Gate {
  /** Waits for its turn; returns the way to let the next one through. Throws `queue_full`, and the signal's reason. */
  enter(signal: AbortSignal): Promise<() => void>;
}

export function createGate(places: number, queueLimit: number): Gate {
  let inside = 0;
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) inside -= 1;
    else next();
  };
  const once = (): (() => void) => {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      leave();
    };
  };
  return {
    async enter(signal) {
      signal.throwIfAborted();
      if (inside < places) {
        inside += 1;
        return once();
      }
      if (waiting.length >= queueLimit) {
        throw engineFailed(
          "queue_full",
          `All ${places} slots of this model are in use and ${waiting.length} requests wait already. Try again later.`,
        );
      }
      await new Promise<void>((resolve, reject) => {
        const onTurn = (): void => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        };
        const onAbort = (): void => {
          waiting.splice(waiting.indexOf(onTurn), 1);
          reject(signal.reason as Error);
        };
        waiting.push(onTurn);
        signal.addEventListener("abort", onAbort, { once: true });
      });
      return once();
    },
  };
}
