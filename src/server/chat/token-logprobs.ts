/** Which tokens made a part of the content: text is held back for a while, and some of it is no content. */
import type { TokenLogprob } from "../../engine/protocol.ts";

export interface LogprobTracker {
  /** The text of one event, with its tokens. */
  add(text: string, tokens: readonly TokenLogprob[]): void;
  /** The tokens of `length` characters of content that end `held` characters before the end of the text so far. */
  take(length: number, held: number): TokenLogprob[];
}

interface Placed {
  token: TokenLogprob;
  start: number;
  end: number;
}

export function createLogprobTracker(): LogprobTracker {
  let placed: Placed[] = [];
  let total = 0;
  return {
    add: (text, tokens) => {
      let at = total;
      total += text.length;
      tokens.forEach((token, index) => {
        const end = index === tokens.length - 1 ? total : Math.min(total, at + token.token.length);
        placed.push({ token, start: at, end });
        at = end;
      });
    },
    take: (length, held) => {
      const end = total - held;
      const start = end - length;
      const taken = placed.filter((one) => one.start < end && one.end > start);
      placed = placed.filter((one) => one.start >= end);
      return taken.map(({ token }) => token);
    },
  };
}
