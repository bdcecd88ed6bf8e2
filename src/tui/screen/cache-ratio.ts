import type { Usage } from "../../core/index.ts";

/** How much of what was sent the server had read before, by its own counts. */
export function createCacheRatio() {
  let prompt = 0;
  let cached = 0;
  return {
    /** From 0 to 1; absent while the server has said nothing. */
    get value(): number | undefined {
      return prompt === 0 ? undefined : Math.min(1, cached / prompt);
    },
    add({ promptTokens, cachedTokens }: Usage): void {
      if (promptTokens === undefined || cachedTokens === undefined) return;
      prompt += promptTokens;
      cached += cachedTokens;
    },
  };
}
