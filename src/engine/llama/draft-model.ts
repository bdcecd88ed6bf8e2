/** Guesses with a smaller model of the same vocabulary, which runs on a sequence of its own beside the real one. */
import type { LlamaSlot } from "./llama-slot.ts";
import type { Token } from "./llama-addon.ts";
import { createPace } from "./speculation.ts";
import type { Drafter } from "./speculation.ts";

const GREEDY = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 };

export interface DraftModelOptions {
  maxTokens: number;
  /** Tokens that fit into the smaller model's context. */
  contextTokens: number;
  sliceTokens: number;
  /** Tokens from this one on are unknown to the real model. */
  vocabularySize: number;
}

/** One generation at a time may use it: it takes `slot` for its own. */
export function createModelDrafter(
  slot: LlamaSlot,
  { maxTokens, contextTokens, sliceTokens, vocabularySize }: DraftModelOptions,
): Drafter {
  const pace = createPace(maxTokens);
  return {
    draft: async (held, next) => {
      const count = pace.tokens();
      const tokens = [...held, ...next];
      if (count === 0 || tokens.length + count >= contextTokens) return [];
      const rest = await catchUp(slot, tokens, sliceTokens);
      const guesses = await guess(slot, rest, count);
      const unknown = guesses.findIndex((token) => token >= vocabularySize);
      return unknown < 0 ? guesses : guesses.slice(0, unknown);
    },
    judged: pace.judged,
  };
}

/** Evaluates what the slot does not hold yet; returns the tokens that are left for sampling, at least one. */
async function catchUp(
  slot: LlamaSlot,
  tokens: readonly Token[],
  sliceTokens: number,
): Promise<readonly Token[]> {
  await slot.keep(Math.min(slot.prefixLength(tokens), tokens.length - 1));
  while (tokens.length - slot.length > sliceTokens)
    await slot.evaluate(tokens.slice(slot.length, slot.length + sliceTokens));
  return tokens.slice(slot.length);
}

async function guess(slot: LlamaSlot, rest: readonly Token[], count: number): Promise<readonly Token[]> {
  const source = slot.startSampling({ sampling: GREEDY, history: [] });
  const guesses: Token[] = [];
  try {
    let tokens = rest;
    while (guesses.length < count) {
      const sampled = await source.next(tokens);
      if (sampled === undefined) break;
      guesses.push(sampled.token);
      tokens = [sampled.token];
    }
  } finally {
    await source.end();
  }
  return guesses;
}
