import type { UndoOutcome } from "../core/index.ts";
import type { ChoiceRequest } from "./choice.ts";
import { formatCounted } from "./format.ts";

/** What to do about files that somebody else has changed since: nothing at all, all but those, or those too. */
export function toUndoQuestion({
  conflicts,
}: Pick<UndoOutcome, "conflicts">): ChoiceRequest<"stop" | "skip" | "force"> {
  const { length } = conflicts;
  const what = `${formatCounted(length, "file")} ${length === 1 ? "was" : "were"}`;
  return {
    question: `${what} changed after the agent; undoing would lose that. Go on?`,
    lines: conflicts,
    choices: [
      { key: "n", label: "no, undo nothing", value: "stop" },
      { key: "k", label: "undo the rest, keep these files", value: "skip" },
      {
        key: "f",
        label: "undo these too",
        value: "force",
        confirm: "Lose what was changed in these files since?",
      },
    ],
  };
}
