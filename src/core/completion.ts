/** Keeps a run from being done while its plan or its task state says otherwise, within bounds. */

/** Refusals without progress in between. */
const MAX_REFUSALS = 3;
const MAX_ASIDE = 1;
/** Refusals without a single step in between, however the words of the gate change. */
const MAX_WITHOUT_STEP = 12;
/** Refusals in the same words in one run, whatever happens in between. */
const MAX_SAME = 10;

export class CompletionGuard {
  /** How often each text of the gate was answered. */
  readonly #refused = new Map<string, number>();
  #refusals = 0;
  #withoutStep = 0;

  /** A step was taken. */
  noteProgress(): void {
    this.#refusals = 0;
    this.#withoutStep = 0;
  }

  /**
   * Whether the model is asked once more, for what is open in these words; else the run ends. Words that are new are progress. `aside`: the
   * request may be about something else, so once is enough.
   */
  refuse(open: string, { aside = false }: { aside?: boolean } = {}): boolean {
    const same = (this.#refused.get(open) ?? 0) + 1;
    this.#refused.set(open, same);
    this.#refusals = same === 1 ? 1 : this.#refusals + 1;
    this.#withoutStep += 1;
    return (
      this.#refusals <= (aside ? MAX_ASIDE : MAX_REFUSALS) &&
      same <= MAX_SAME &&
      this.#withoutStep <= MAX_WITHOUT_STEP
    );
  }
}

const MAX_OPEN_TODOS = 8;
const MAX_TODO_CHARS = 120;

/** The todos of a state note that are not completed, one a line; `undefined` when there are none. */
export function findOpenTodos(stateNote: string): string | undefined {
  const open = stateNote
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => OPEN_TODO.test(line));
  if (open.length === 0) return undefined;
  const shown = open.slice(0, MAX_OPEN_TODOS).map((line) => line.slice(0, MAX_TODO_CHARS));
  return [...shown, ...(open.length > shown.length ? [`and ${open.length - shown.length} more`] : [])].join(
    "\n",
  );
}

const OPEN_TODO = /^(?:[-*]|\d+[.)]?)?\s*(?:\[(?: |~|pending|in_progress)\]|\((?:pending|in_progress)\))/i;
