import { describe, expect, it } from "vitest";
import { GOALS, measure } from "../../bench/context-run.ts";

describe("a task of 60 turns over 40 files", () => {
  it.each(Object.keys(GOALS).map(Number))(
    "fits into a window of %d tokens: nothing refused, nothing lost, little read twice",
    async (window) => {
      const { problems, prefixBreaks, compactions } = await measure(window, "llama-server");
      expect(problems).toEqual([]);
      expect(prefixBreaks).toBeLessThanOrEqual(compactions);
    },
  );
});
