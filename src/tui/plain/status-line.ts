import { shorten } from "../format.ts";
import type { Style } from "../style.ts";
import type { TextOutput } from "./sink.ts";

export interface StatusLine {
  /** What to write to show `text`; empty when the stream is no terminal, or so soon after the last that nobody could read it. */
  show(text: string, options: { force: boolean }): string;
  /** What to write so that the next line starts clean. */
  clear(): string;
}

const REFRESH_MS = 100;
/** Carriage return and erase in line (ECMA-48 EL). */
export const ERASE_LINE = "\r\u001b[K";

/** One line at the bottom that is rewritten in place. */
export function createStatusLine(
  stream: TextOutput,
  { style, now }: { style: Style; now: () => number },
): StatusLine {
  let shown = "";
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    show(text, { force }) {
      if (stream.isTTY !== true || text === shown) return "";
      if (!force && now() - shownAt < REFRESH_MS) return "";
      shown = text;
      shownAt = now();
      // Never the last column: a full line would wrap and could not be erased.
      return `${ERASE_LINE}${style.dim(shorten(`  ${text}`, Math.max(10, (stream.columns ?? 80) - 1)))}`;
    },
    clear() {
      if (shown === "") return "";
      shown = "";
      return ERASE_LINE;
    },
  };
}
