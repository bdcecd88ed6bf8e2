/** What a request cost, before a dialect names it. */
import type { Timings } from "../../engine/protocol.ts";

/** In tokens. */
export interface Usage {
  promptTokens: number;
  /** Of the prompt, those that were evaluated already. */
  cachedTokens: number;
  completionTokens: number;
  /** Of the completion, those that were thinking. */
  reasoningTokens: number;
  totalTokens: number;
}

export const NO_USAGE: Usage = {
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  reasoningTokens: 0,
  totalTokens: 0,
};

export function toUsage(
  { promptTokens, cachedTokens, completionTokens }: Timings,
  reasoningTokens = 0,
): Usage {
  return {
    promptTokens,
    cachedTokens,
    completionTokens,
    reasoningTokens: Math.min(reasoningTokens, completionTokens),
    totalTokens: promptTokens + completionTokens,
  };
}
