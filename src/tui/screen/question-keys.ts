/** Keys of questions on the screen: which count, and how they are shown. */
import { matchesKey, visibleWidth } from "@mariozechner/pi-tui";
import type { Paint, Style } from "../style.ts";
import { wrapExactly } from "../wrap.ts";

/** Someone who typed this recently is in the middle of a word, and its letters are no answers. */
export const TYPING_MS = 600;
/** A key that comes sooner was pressed together with the one before. */
const CONFIRM_MS = 150;
export const INDENT = "  ";

export interface KeyGuard {
  /** A key pressed now is an answer. */
  readonly isArmed: boolean;
  /** A key that is no answer moves the moment on from which one counts. */
  waitForQuiet(): void;
  /** The next key confirms this one. */
  waitForConfirmation(): void;
}

/** `armedAt`: keys before this moment were meant for something else. */
export function createKeyGuard({ now, armedAt }: { now: () => number; armedAt: number }): KeyGuard {
  let from = armedAt;
  return {
    get isArmed() {
      return now() >= from;
    },
    waitForQuiet() {
      from = Math.max(from, now() + TYPING_MS);
    },
    waitForConfirmation() {
      from = now() + CONFIRM_MS;
    },
  };
}

type Letter = Extract<Parameters<typeof matchesKey>[1], string>;

export function isLetter(data: string, letter: string): boolean {
  const shifted = `shift+${letter}` as Letter;
  return matchesKey(data, letter as Letter) || matchesKey(data, shifted) || data === letter.toUpperCase();
}

export function toKey(style: Style, name: string, text: string): string {
  return `${style.bold(style.cyan(name))} ${text}`;
}

/** Lines of a question, wrapped and set in. */
export function drawLines(
  texts: readonly string[],
  { width, paint }: { width: number; paint: Paint },
): string[] {
  const room = Math.max(1, width - INDENT.length);
  return texts.flatMap((text) => wrapExactly(text, room).map((line) => INDENT + paint(line)));
}

/** Beside each other where there is room, else each on a line of its own: a key that is cut off is none. */
export function drawKeys(keys: readonly string[], width: number): string[] {
  const line = INDENT + keys.join("   ");
  return visibleWidth(line) <= width ? [line] : keys.map((key) => INDENT + key);
}

/** Between two lines, so that it stands apart from what is above and below. */
export function drawFrame(
  lines: readonly string[],
  { width, style }: { width: number; style: Style },
): string[] {
  const border = style.yellow("─".repeat(Math.max(1, width)));
  return [border, ...lines, border];
}
