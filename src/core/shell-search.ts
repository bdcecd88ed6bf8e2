/** Finds a command among words, for rules that forbid: better one too many than one too few. */
import { programName } from "./shell-runners.ts";

/**
 * Whether the words of `wanted`, a program and its first arguments, stand in this order in `words`, with any options and values of
 * options in between, and before an option that is wanted anything. A program also fits with its folder, and as one word with its
 * command, as in `git-push`. Takes time in proportion to the number of words.
 */
export function findsCommand(words: readonly string[], wanted: readonly string[]): boolean {
  const [program = "", second] = wanted;
  const joined = second === undefined ? undefined : `${program.toLowerCase()}-${second}`;
  /** By count of wanted words that were found: whether that is so, and whether a value of an option may follow. */
  const reached: (Reached | undefined)[] = [];
  for (const word of words) {
    for (let count = Math.min(wanted.length, reached.length) - 1; count > 0; count -= 1) {
      const state = reached[count];
      if (state === undefined) continue;
      if (word === wanted[count]) reached[count + 1] ??= "found";
      reached[count] = stay(state, word, wanted[count]!);
    }
    if (fitsProgram(word, program)) reached[1] = "found";
    else if (joined !== undefined && word.length >= joined.length && programName(word) === joined)
      reached[2] = "found";
    if (reached[wanted.length] !== undefined) return true;
  }
  return false;
}

type Reached = "found" | "option";

function stay(state: Reached, word: string, next: string): Reached | undefined {
  if (mayTakeValue(word)) return "option";
  return word.startsWith("-") || next.startsWith("-") || state === "option" ? "found" : undefined;
}

const WITHOUT_VALUE = new Set(
  "-p -P --paginate --no-pager --bare --no-replace-objects --literal-pathspecs --no-optional-locks --no-advice".split(
    " ",
  ),
);

/** Options of git that stand alone are known; of any other one nobody can tell. */
export function mayTakeValue(word: string): boolean {
  return word.startsWith("-") && !/^--[^=]*=/.test(word) && !WITHOUT_VALUE.has(word);
}

function fitsProgram(word: string, program: string): boolean {
  if (word === program) return true;
  // Most words are too short, and this is asked about every one of them for every rule.
  return (
    word.length >= program.length && !program.includes("/") && programName(word) === program.toLowerCase()
  );
}
