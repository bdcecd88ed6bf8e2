/** A question with a few answers, asked by a command. */
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
