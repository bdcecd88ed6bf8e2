/**
 * Text from models, tools and files may hold escape sequences that move the cursor, change the window title or
 * answer a question, and marks that reorder what is read. Everything of that kind passes through `toTerminalText`
 * before it is written to a terminal: the characters stay, as visible signs without effect.
 */

/** C0 but tab and line feed, DEL, C1, line separators, bidi marks, invisible signs and tags, lone surrogates. */
const UNSAFE =
  // oxlint-disable-next-line no-control-regex -- finding control characters is the purpose
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\p{Cs}\u{e0000}-\u{e007f}]/gu;

const CONTROL_PICTURES = 0x2400;
const DELETE = 0x7f;
const DELETE_PICTURE = "\u2421";

/** Makes `text` safe to write: what is left has no control character but tab and line feed. Clean text comes back unchanged. */
export function toTerminalText(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(UNSAFE, toVisible);
}

/** The same on one line: line feeds and tabs become single spaces, and so do runs of space around them. */
export function toTerminalLine(text: string): string {
  return toTerminalText(text.replace(/\s*[\r\n\t]+\s*/g, " ").trim());
}

function toVisible(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(CONTROL_PICTURES + code);
  if (code === DELETE) return DELETE_PICTURE;
  if (code >= 0xd800 && code <= 0xdfff) return "\ufffd";
  return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/**
 * Holds back what cannot be judged alone at the end of a piece of a stream (half of a surrogate pair, the first half
 * of a line end) until the next piece comes.
 */
export function createTextStream(): { push(piece: string): string; flush(): string } {
  let held = "";
  return {
    push(piece) {
      const text = held + piece;
      held = /[\r\ud800-\udbff]$/.exec(text)?.[0] ?? "";
      return toTerminalText(text.slice(0, text.length - held.length));
    },
    flush() {
      const text = toTerminalText(held);
      held = "";
      return text;
    },
  };
}
