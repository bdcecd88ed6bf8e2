/**
 * Finds models that go in circles, by the signatures of calls and their results: what is repeated with another result makes
 * progress. Five signs are counted, each with its own patience, and the worst one counts.
 */
import { fingerprint } from "./fingerprint.ts";
import type { ObservedCall } from "./observed-call.ts";

export interface ObservedTurn {
  calls: readonly ObservedCall[];
  /** What the model said beside its calls. */
  text: string;
}

/** 0: no loop. 1: the model is told. 2: it is asked in another way. 3: the run ends. */
export type LoopStage = 0 | 1 | 2 | 3;

export interface LoopFinding {
  stage: LoopStage;
  /** What is repeated, as the end of "The model repeats itself: ". Empty at stage 0. */
  what: string;
  /** Nothing in this turn was new: every call was made before with the same result, and nothing has changed since. */
  stale: boolean;
  /** Something was changed, or a call that worked brought something new. */
  stepped: boolean;
  /** Something was changed. */
  changed: boolean;
}

/** From how many times on each stage is reached. */
type Patience = readonly [told: number, asked: number, ended: number];

const PATIENCE = {
  identical: [3, 5, 8],
  cycle: [3, 4, 5],
  /** Turns in which nothing was new. */
  stale: [6, 9, 14],
  /** The same, with compactions in between: what was left out is rightly read again. */
  staleInAll: [20, 30, 40],
  /** Turns of new calls that bring only known results. Patient: there are forty empty files somewhere. */
  fruitless: [10, 16, 45],
  sameError: [4, 6, 10],
  failing: [5, 8, 12],
  sameText: [5, 8, 12],
} as const satisfies Record<string, Patience>;

/** Waits with the same result, as for a build, that are no circle. */
const PATIENT_WAITS = 30;
const LONGEST_CYCLE = 5;
const KEPT_TURNS = LONGEST_CYCLE * PATIENCE.identical[2];
/** Shorter sentences ("Done.") are repeated by anybody. */
const SENTENCE_CHARS = 40;
const MAX_SENTENCES = 200;

export class LoopDetector {
  #turns: string[] = [];
  /** Since the last change. */
  #seen = new Set<string>();
  /** The same, since the last compaction too: of these the results still stand in the conversation. */
  #inSight = new Set<string>();
  #results = new Set<string>();
  /** Changes of the whole run: what is written once more in the same words is no change. */
  #changes = new Set<string>();
  /** The same for commands, which may only look, and do so again after something was written. */
  #commands = new Set<string>();
  #stale = 0;
  #staleInAll = 0;
  #fruitless = 0;
  #failures = new Map<string, Failures>();
  #waits = new Map<string, number>();
  #sentences = new Map<string, { text: string; turns: number }>();

  note(turn: ObservedTurn): LoopFinding {
    if (this.#isWaiting(turn)) return { stage: 0, what: "", stale: false, stepped: false, changed: false };
    const isRepeated = ({ signature }: ObservedCall): boolean =>
      this.#changes.has(signature) || this.#commands.has(signature);
    const isKnown = (call: ObservedCall): boolean => this.#seen.has(call.signature) || isRepeated(call);
    const isInSight = (call: ObservedCall): boolean => this.#inSight.has(call.signature) || isRepeated(call);
    const fresh = turn.calls.filter((call) => !isKnown(call));
    const stale = fresh.length === 0;
    const staleInSight = turn.calls.every(isInSight);
    const changed = fresh.some(isChange);
    const fruitful = changed || fresh.some(({ resultSignature }) => !this.#results.has(resultSignature));
    const stepped = changed || fresh.some((call) => call.ok && !this.#results.has(call.resultSignature));
    if (changed) this.#noteChange();
    if (fresh.some((call) => isChange(call) && call.access === "write")) this.#commands.clear();
    for (const call of turn.calls) this.#remember(call);
    this.#stale = staleInSight ? this.#stale + 1 : 0;
    this.#staleInAll = stale ? this.#staleInAll + 1 : 0;
    if (fruitful) this.#fruitless = 0;
    else if (staleInSight || !stale) this.#fruitless += 1;
    if (fruitful) this.#sentences.clear();
    else this.#noteText(turn.text);
    this.#noteFailures(turn.calls);
    this.#turns.push(fingerprint(turn.calls.map(({ signature }) => signature).join(" ")));
    if (this.#turns.length > KEPT_TURNS) this.#turns.shift();
    return { ...this.#judge(turn), stale, stepped, changed };
  }

  /** Time passes meanwhile, so whatever was seen before may be another thing now. */
  #isWaiting({ calls }: ObservedTurn): boolean {
    const waits = calls.filter((call) => call.waits);
    for (const { signature } of waits) this.#waits.set(signature, (this.#waits.get(signature) ?? 0) + 1);
    const isPatient = waits.every(({ signature }) => this.#waits.get(signature)! <= PATIENT_WAITS);
    if (waits.length === 0 || !isPatient) return false;
    this.#startAnew();
    return true;
  }

  /** What was left out of the conversation may rightly be looked at again. */
  noteCompaction(): void {
    this.#inSight.clear();
  }

  /** The user has spoken: what was a circle before may be what they want now. */
  reset(): void {
    this.#startAnew();
    this.#changes.clear();
    this.#waits.clear();
    this.#sentences.clear();
  }

  #startAnew(): void {
    this.#turns = [];
    this.#noteChange();
    this.#commands.clear();
    this.#stale = 0;
    this.#staleInAll = 0;
    this.#fruitless = 0;
  }

  #noteChange(): void {
    this.#seen.clear();
    this.#inSight.clear();
    this.#results.clear();
    this.#failures.clear();
  }

  #remember(call: ObservedCall): void {
    this.#seen.add(call.signature);
    this.#inSight.add(call.signature);
    this.#results.add(call.resultSignature);
    if (isChange(call)) (call.access === "execute" ? this.#commands : this.#changes).add(call.signature);
  }

  #noteText(text: string): void {
    const before = this.#sentences;
    this.#sentences = new Map();
    for (const sentence of toSentences(text)) {
      const turns = (before.get(fingerprint(sentence))?.turns ?? 0) + 1;
      this.#sentences.set(fingerprint(sentence), { text: sentence, turns });
    }
  }

  /** One failure a turn and tool, however many calls it made at once; a success of the tool starts it anew. */
  #noteFailures(calls: readonly ObservedCall[]): void {
    for (const name of new Set(calls.map((call) => call.name))) {
      const own = calls.filter((call) => call.name === name);
      if (own.some(({ ok }) => ok)) {
        this.#failures.delete(name);
        continue;
      }
      const failures = this.#failures.get(name) ?? { turns: 0, errors: new Map<string, number>() };
      failures.turns += 1;
      for (const error of new Set(own.map((call) => call.error ?? "")))
        failures.errors.set(error, (failures.errors.get(error) ?? 0) + 1);
      this.#failures.set(name, failures);
    }
  }

  #judge({ calls }: ObservedTurn): { stage: LoopStage; what: string } {
    const labels = [...new Set(calls.map(({ label }) => label))];
    const shown = labels.length > 2 ? `${labels.slice(0, 2).join(", ")} and others` : labels.join(", ");
    const signs: Sign[] = [
      ...this.#repeatedTurns(shown),
      {
        count: this.#stale,
        patience: PATIENCE.stale,
        what: (count) => `for ${count} turns only calls that it had made before, with the same results`,
      },
      {
        count: this.#staleInAll,
        patience: PATIENCE.staleInAll,
        what: (count) => `for ${count} turns only calls that it had made before, with the same results`,
      },
      {
        count: this.#fruitless,
        patience: PATIENCE.fruitless,
        what: (count) => `for ${count} turns calls that bring nothing new, the last one ${shown}`,
      },
      ...[...this.#failures].flatMap(([name, failures]) => toFailureSigns(name, failures)),
      ...[...this.#sentences.values()].map(({ text, turns }) => ({
        count: turns,
        patience: PATIENCE.sameText,
        what: (count: number) => `the same words in ${count} turns: "${text.slice(0, 80)}"`,
      })),
    ];
    let worst: { stage: LoopStage; what: string } = { stage: 0, what: "" };
    for (const { count, patience, what } of signs) {
      const stage = stageOf(count, patience);
      if (stage > worst.stage) worst = { stage, what: what(count) };
    }
    return worst;
  }

  #repeatedTurns(shown: string): Sign[] {
    return Array.from({ length: LONGEST_CYCLE }, (_, index) => {
      const period = index + 1;
      return {
        count: countRounds(this.#turns, period),
        patience: period === 1 ? PATIENCE.identical : PATIENCE.cycle,
        what: (count) =>
          period === 1
            ? `${shown} ${count} times in a row with the same result`
            : `the same ${period} steps ${count} times in a row, the last one ${shown}`,
      };
    });
  }
}

interface Failures {
  /** In how many turns the tool has failed since it last worked. */
  turns: number;
  errors: Map<string, number>;
}

interface Sign {
  count: number;
  patience: Patience;
  what: (count: number) => string;
}

function toFailureSigns(name: string, { turns, errors }: Failures): Sign[] {
  return [
    { count: turns, patience: PATIENCE.failing, what: (count) => `\`${name}\` has failed ${count} times` },
    {
      count: Math.max(0, ...errors.values()),
      patience: PATIENCE.sameError,
      what: (count) => `\`${name}\` has failed ${count} times with the same error`,
    },
  ];
}

function stageOf(count: number, [told, asked, ended]: Patience): LoopStage {
  if (count >= ended) return 3;
  if (count >= asked) return 2;
  return count >= told ? 1 : 0;
}

/** How many times the last `period` entries stand at the end one after another. */
function countRounds(turns: readonly string[], period: number): number {
  let same = 0;
  while (same + period < turns.length && turns.at(-1 - same) === turns.at(-1 - same - period)) same += 1;
  return same === 0 ? 0 : Math.floor((same + period) / period);
}

function isChange({ access, ok }: ObservedCall): boolean {
  return ok && access !== "read" && access !== "control" && access !== "unknown";
}

/** In lower case and without needless blanks; short texts count as one sentence. */
function toSentences(text: string): string[] {
  const sentences = text
    .toLowerCase()
    .split(/(?<=[.!?:])\s+|\n+/, MAX_SENTENCES)
    .map((sentence) => sentence.replace(/\s+/g, " ").trim());
  return sentences.filter((sentence) => sentence.length >= SENTENCE_CHARS);
}
