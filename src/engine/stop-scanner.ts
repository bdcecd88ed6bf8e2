/** Finds stop strings in text that comes in pieces; what could be the beginning of one is held back. */
export interface StopScanner {
  /** `stopped`: the stop string that was found. */
  push(text: string): { text: string; stopped?: string };
  flush(): string;
}

export function createStopScanner(stops: readonly string[]): StopScanner {
  const wanted = stops.filter((stop) => stop !== "");
  let held = "";
  return {
    push: (text) => {
      held += text;
      const found = findFirst(held, wanted);
      if (found !== undefined) {
        const before = held.slice(0, found.at);
        held = "";
        return { text: before, stopped: found.word };
      }
      const keep = Math.max(0, ...wanted.map((stop) => partialLength(held, stop)));
      const ready = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return { text: ready };
    },
    flush: () => {
      const rest = held;
      held = "";
      return rest;
    },
  };
}

/** Which of `words` comes first in `text`, and where. */
export function findFirst(text: string, words: readonly string[]): { word: string; at: number } | undefined {
  return words
    .map((word) => ({ word, at: text.indexOf(word) }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at)[0];
}

/** Length of the longest end of `text` that is a proper beginning of `word`. */
export function partialLength(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length -= 1) {
    if (text.endsWith(word.slice(0, length))) return length;
  }
  return 0;
}
