import type { Token } from "./llama.ts";

const REPLACEMENT = "\uFFFD";
/** A code point has at most four bytes, so at most four byte tokens; more means that the model really wrote broken text. */
const LONGEST_SPLIT = 4;

/** Turns sampled tokens into text without ever showing half a character. */
export interface TextDecoder {
  push(token: Token): string;
  /** What is still held back, at the end. */
  flush(): string;
}

export function createTextDecoder(
  detokenize: (tokens: readonly Token[], before: readonly Token[]) => string,
): TextDecoder {
  let held: Token[] = [];
  let before: Token[] = [];

  const take = (): string => {
    const text = detokenize(held, before);
    before = [...before, ...held].slice(-4);
    held = [];
    return text;
  };

  return {
    push: (token) => {
      held.push(token);
      const unfinished = held.length < LONGEST_SPLIT && detokenize(held, before).endsWith(REPLACEMENT);
      return unfinished ? "" : take();
    },
    flush: () => (held.length === 0 ? "" : take().replaceAll(REPLACEMENT, "")),
  };
}
