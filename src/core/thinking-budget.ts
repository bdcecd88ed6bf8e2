/** How long a model may think in one turn. */
import type { ModelInfo } from "./model.ts";

const SHARE = 0.25;
const FEWEST_TOKENS = 512;
const MOST_TOKENS = 16_384;
/**
 * Thinking is measured in bytes, and a server that limits it counts in tokens: it is stopped only where no server that keeps to the limit
 * would still be thinking.
 */
const BYTES_PER_TOKEN = 5;
const SLACK_BYTES = 512;

/** Tokens of thinking for one turn: what the profile says, else a quarter of the window. */
export function thinkingBudget({ contextTokens, profile }: ModelInfo): number {
  if (profile.thinkingTokens !== undefined) return profile.thinkingTokens;
  const window = Math.min(
    contextTokens ?? Number.POSITIVE_INFINITY,
    profile.usableTokens ?? Number.POSITIVE_INFINITY,
  );
  return Math.min(MOST_TOKENS, Math.max(FEWEST_TOKENS, Math.floor(window * SHARE)));
}

/** How much is let pass of a budget: whoever is asked not to think at all and cannot but think is not stopped at the first word. */
export function toTolerance(tokens: number): number {
  return tokens === 0 ? FEWEST_TOKENS : tokens;
}

/** From how many bytes on thinking is certainly longer than so many tokens. */
export function toThinkingBytes(tokens: number): number {
  return tokens * BYTES_PER_TOKEN + SLACK_BYTES;
}
