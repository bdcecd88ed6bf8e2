import type { Token } from "./llama-addon.ts";

/** Turns sampled tokens into text without ever showing half a character. */
export interface TokenDecoder {
  push(token: Token): string;
  /** What is still held back, at the end. Half a character that never came whole is left out. */
  flush(): string;
}

export function createTextDecoder(bytesOf: (token: Token) => Uint8Array): TokenDecoder {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return {
    push: (token) => decoder.decode(bytesOf(token), { stream: true }),
    flush: () => decoder.decode().replaceAll("\uFFFD", ""),
  };
}
