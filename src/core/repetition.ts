/** Finds calls that go round in circles: the same calls with the same results, alone or in a cycle of up to three. */
export type Repetition = "none" | "suspected" | "certain";

const LONGEST_CYCLE = 3;
const SUSPECTED_AT = 4;
const CERTAIN_AT = 8;

export class RepetitionGuard {
  #history: string[] = [];

  /** `signature` holds name, arguments and result: a call that is repeated but answers differently makes progress. */
  note(signature: string): Repetition {
    this.#history.push(signature);
    if (this.#history.length > LONGEST_CYCLE * CERTAIN_AT) this.#history.shift();
    let most = 0;
    for (let period = 1; period <= LONGEST_CYCLE; period += 1) most = Math.max(most, this.#rounds(period));
    if (most >= CERTAIN_AT) return "certain";
    return most === SUSPECTED_AT ? "suspected" : "none";
  }

  #rounds(period: number): number {
    const history = this.#history;
    let same = 0;
    while (
      same + period < history.length &&
      history[history.length - 1 - same] === history[history.length - 1 - same - period]
    ) {
      same += 1;
    }
    return same === 0 ? 0 : Math.floor((same + period) / period);
  }
}
