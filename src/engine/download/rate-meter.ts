/** How fast bytes came in the last seconds, and how long the rest will take. */
const WINDOW_MS = 10_000;

export interface RateMeter {
  /** `bytes` is what is there by now. */
  add(bytes: number): void;
  /** Absent before there is anything to tell. */
  bytesPerSecond(): number | undefined;
}

/** `now`: milliseconds. */
export function createRateMeter(now: () => number = Date.now): RateMeter {
  let samples: { at: number; bytes: number }[] = [];
  return {
    add: (bytes) => {
      const at = now();
      samples.push({ at, bytes });
      samples = samples.filter((sample) => at - sample.at <= WINDOW_MS);
    },
    bytesPerSecond: () => {
      const [first, last] = [samples[0], samples.at(-1)];
      if (first === undefined || last === undefined || last.at - first.at < 200) return undefined;
      return Math.max(0, ((last.bytes - first.bytes) * 1000) / (last.at - first.at));
    },
  };
}
