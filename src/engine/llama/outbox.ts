/** Messages of the engine child to its parent: collected, and sent while the next tokens are being computed. */
import type { FromChild } from "../protocol.ts";

export interface Outbox {
  put(message: FromChild): void;
}

/** Several messages go as one array. */
export function createOutbox(send: (messages: readonly FromChild[]) => void): Outbox {
  let waiting: FromChild[] = [];
  const flush = (): void => {
    const messages = waiting;
    waiting = [];
    send(messages);
  };
  return {
    put: (message) => {
      waiting.push(message);
      // Not in this turn of the event loop but in the next: the batch that follows is started first, and sending costs it nothing.
      if (waiting.length === 1) setImmediate(() => setImmediate(flush));
    },
  };
}
