/**
 * Guesses the next tokens, so that several can be evaluated for little more than the price of one. What is sampled stays what the
 * model samples; a guess only decides how much of it comes at once.
 */
import type { Token } from "./llama-addon.ts";

export interface Drafter {
  /** What may follow `held` and then `next`; empty when there is nothing to go by. */
  draft(held: readonly Token[], next: readonly Token[]): readonly Token[] | Promise<readonly Token[]>;
  /** How many of the newest guesses there were, and how many were right. */
  judged(drafted: number, accepted: number): void;
}

export const DEFAULT_DRAFT_TOKENS = 8;
const LONGEST_MATCH = 6;
const SHORTEST_MATCH = 3;
/** Further back the search would take longer than it saves. */
const SEARCH_TOKENS = 16_384;

/** Guesses that the text goes on as it did after the same tokens before: quotes, edits, repeated structures. */
export function createLookupDrafter({ maxTokens }: { maxTokens: number }): Drafter {
  const pace = createPace(maxTokens);
  return {
    draft: (held, next) => {
      const count = pace.tokens();
      return count === 0 ? [] : continueAsBefore(held, next, count);
    },
    judged: pace.judged,
  };
}

/** The tokens behind the latest place where the longest end of the text stood before. */
function continueAsBefore(held: readonly Token[], next: readonly Token[], count: number): readonly Token[] {
  const end = [...held.slice(-LONGEST_MATCH), ...next].slice(-LONGEST_MATCH);
  const total = held.length + next.length;
  const at = (place: number): Token | undefined =>
    place < held.length ? held[place] : next[place - held.length];
  let best = { length: SHORTEST_MATCH - 1, behind: total };
  const last = end.at(-1);
  for (let place = total - 2; place >= Math.max(0, total - SEARCH_TOKENS); place -= 1) {
    if (at(place) !== last) continue;
    let length = 1;
    while (length < end.length && at(place - length) === end[end.length - 1 - length]) length += 1;
    if (length > best.length) best = { length, behind: place + 1 };
    if (length === LONGEST_MATCH) break;
  }
  const guesses: Token[] = [];
  for (let place = best.behind; place < Math.min(total, best.behind + count); place += 1)
    guesses.push(at(place) as Token);
  return guesses;
}

export interface Pace {
  /** How many tokens to guess now; 0: none. */
  tokens(): number;
  judged(drafted: number, accepted: number): void;
}

/** After wrong guesses fewer, then none for a while, longer each time: a wrong guess costs more than none. */
export function createPace(maxTokens: number): Pace {
  let wanted = Math.min(maxTokens, 4);
  let failures = 0;
  let rest = 0;
  return {
    tokens: () => {
      if (rest === 0) return wanted;
      rest -= 1;
      return 0;
    },
    judged: (drafted, accepted) => {
      if (accepted === drafted) wanted = Math.min(maxTokens, wanted * 2);
      else wanted = Math.max(2, Math.min(maxTokens, accepted + 1));
      failures = accepted * 2 >= drafted ? 0 : failures + 1;
      if (failures > 1) rest = Math.min(64, 2 ** failures);
    },
  };
}
