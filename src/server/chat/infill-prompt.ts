/** A prompt for the text between two others (`suffix`), in the tokens that code models were trained with. */
import type { Engine } from "../../engine/engine.ts";

/** What stands before the beginning, before the end, and before the middle. */
const MARKERS = [
  ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
  ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
  ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
  ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
  ["▁<PRE>", "▁<SUF>", "▁<MID>"],
] as const;

const MARKER = { special: true, begin: false } as const;
const TEXT = { special: false, begin: false } as const;

/** `undefined`: this model's vocabulary has no such tokens. */
export async function toInfillPrompt(
  engine: Engine,
  { prefix, suffix, signal }: { prefix: string; suffix: string; signal: AbortSignal },
): Promise<readonly number[] | undefined> {
  for (const words of MARKERS) {
    const tokens = await Promise.all(words.map((word) => engine.tokenize(word, { ...MARKER, signal })));
    // In a vocabulary without it the word is several tokens.
    if (!tokens.every(({ length }) => length === 1)) continue;
    const [before, after, middle] = tokens as [readonly number[], readonly number[], readonly number[]];
    const [start, first, second] = await Promise.all([
      engine.tokenize("", { special: true, begin: true, signal }),
      engine.tokenize(prefix, { ...TEXT, signal }),
      engine.tokenize(suffix, { ...TEXT, signal }),
    ]);
    return [...start, ...before, ...first, ...after, ...second, ...middle];
  }
  return undefined;
}
