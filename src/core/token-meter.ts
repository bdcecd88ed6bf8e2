/** Learns from the server's own counts how many tokens a text has, and how fast the server is. */
import type { Usage } from "./model.ts";

/** Bytes of English, code and JSON per token, on the careful side. */
const FIRST_BYTES_PER_TOKEN = 3;

export class TokenMeter {
  #bytesPerToken = FIRST_BYTES_PER_TOKEN;

  get bytesPerToken(): number {
    return this.#bytesPerToken;
  }

  /** Of a request of so many bytes, what the server counted. */
  note(requestBytes: number, { promptTokens }: Usage): void {
    if (promptTokens !== undefined && promptTokens > 0) this.#bytesPerToken = requestBytes / promptTokens;
  }

  toTokens(bytes: number): number {
    return Math.ceil(bytes / this.#bytesPerToken);
  }
}
