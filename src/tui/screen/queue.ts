import type { QueuedText } from "./bottom.ts";

/** What the user said while a run was going and the agent has not taken yet. */
export interface Queue {
  readonly texts: readonly QueuedText[];
  add(queued: QueuedText): void;
  take(text: string): void;
  /** Empties it; returns what was in it. */
  drain(): string[];
}

export function createQueue(): Queue {
  let texts: QueuedText[] = [];
  return {
    get texts() {
      return texts;
    },
    add(queued) {
      texts.push(queued);
    },
    take(text) {
      const index = texts.findIndex((queued) => queued.text === text);
      if (index !== -1) texts.splice(index, 1);
    },
    drain() {
      const drained = texts.map(({ text }) => text);
      texts = [];
      return drained;
    },
  };
}

/** `>> then commit` waits for the end of the run; everything else is for the agent now. */
export function parseQueued(text: string): QueuedText | undefined {
  const later = /^>>\s*([\s\S]*)$/.exec(text)?.[1];
  if (later === "") return undefined;
  return later === undefined ? { text, when: "next" } : { text: later, when: "later" };
}
