/** A question with a few answers, asked by a command. */
import type { UndoOutcome } from "../core/index.ts";
import { formatCount } from "./format.ts";
import { countBlanks, toPages, type Pages } from "./preview-pages.ts";
import type { Style } from "./style.ts";
import { toVisibleLine } from "./terminal-text.ts";

export interface Choice<Value> {
  /** One small letter, but `s`, which shows more. */
  key: string;
  /** What it does. */
  label: string;
  value: Value;
  /** Asked once more, in these words, since it cannot be taken back. */
  confirm?: string;
}

export interface ChoiceRequest<Value> {
  question: string;
  /** What it is about; made visible here. A long list is shown in pages, and all of it before any but the first choice can be taken. */
  lines: readonly string[];
  /** The first one changes nothing. */
  choices: readonly [Choice<Value>, ...Choice<Value>[]];
}

/** The chosen value; `undefined` when nobody is there. Throws the signal's reason on abort. */
export type Choose = <Value>(
  request: ChoiceRequest<Value>,
  options: { signal?: AbortSignal },
) => Promise<Value | undefined>;

export function toChoicePages(lines: readonly string[], style: Style): Pages {
  const safe = lines.map((line) => countBlanks(toVisibleLine(line)));
  return toPages(
    safe.map((text) => ({ text, empty: text.trim() === "", paint: (piece: string) => piece })),
    style,
  );
}

/** What to do about files that somebody else has changed since: nothing at all, all but those, or those too. */
export function toUndoQuestion({
  conflicts,
}: Pick<UndoOutcome, "conflicts">): ChoiceRequest<"stop" | "skip" | "force"> {
  const [one] = conflicts;
  const what =
    conflicts.length === 1 && one !== undefined
      ? "1 file was"
      : `${formatCount(conflicts.length)} files were`;
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
