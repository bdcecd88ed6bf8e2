/**
 * Text from models, tools and files may hold escape sequences that move the cursor, change the window title or
 * answer a question, marks that reorder what is read, and characters that nobody sees. Everything of that kind passes through
 * `toTerminalText` before it is written to a terminal: the characters stay, as visible signs without effect.
 */

/** C0 but tab and line feed, DEL, C1, lone surrogates, line separators, interlinear marks, and all that has no glyph of its own. */
const UNSAFE =
  // oxlint-disable-next-line no-control-regex -- finding control characters is the purpose
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ufff9-\ufffb\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/** The same, with what only looks like a space, other format characters and private ones: for text that a decision hangs on. */
const UNCLEAR =
  // oxlint-disable-next-line no-control-regex -- finding control characters is the purpose
  /(?! )[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2800\p{Zl}\p{Zp}\p{Zs}\p{Cs}\p{Cf}\p{Co}\p{Default_Ignorable_Code_Point}]/gu;

const CONTROL_PICTURES = 0x2400;
const DELETE = 0x7f;
const DELETE_PICTURE = "\u2421";

const JOINER = "\u200d";
const NON_JOINER = "\u200c";
const SELECTOR = /[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;
/** What a variation selector (Unicode 23.4) has a meaning after. */
const SELECTED = /[\p{Emoji}\p{S}\p{Script=Han}]$/u;
const EMOJI = /[\p{Extended_Pictographic}\p{Emoji_Modifier}]\ufe0f?$/u;
/** Scripts in which joiners are part of the spelling (Unicode 23.2). */
const JOINED =
  /(?=[\p{L}\p{M}])[\p{scx=Arabic}\p{scx=Syriac}\p{scx=Devanagari}\p{scx=Bengali}\p{scx=Gurmukhi}\p{scx=Gujarati}\p{scx=Oriya}\p{scx=Tamil}\p{scx=Telugu}\p{scx=Kannada}\p{scx=Malayalam}\p{scx=Sinhala}\p{scx=Khmer}\p{scx=Myanmar}\p{scx=Tibetan}]$/u;

/**
 * Makes `text` safe to write: what is left has no control character but tab and line feed. Clean text comes back unchanged, and so do
 * the joiners and selectors of emoji and of scripts that need them.
 */
export function toTerminalText(text: string): string {
  return clean(text, "");
}

/** The same on one line: line feeds and tabs become single spaces, and so do runs of space around them. */
export function toTerminalLine(text: string): string {
  return toTerminalText(text.replace(/\s*[\r\n\t]+\s*/g, " ").trim());
}

/** For text that a decision hangs on: every character that cannot be seen, or not told from a space, is shown by its number. */
export function toVisibleText(text: string): string {
  return text.replace(UNCLEAR, toVisible);
}

/** The same on one line: line feeds and tabs are shown too. */
export function toVisibleLine(text: string): string {
  return toVisibleText(text).replace(/[\n\t]/g, toVisible);
}

/** JSON in which what a terminal or a viewer may act on is escaped; for a reader of JSON that changes nothing. */
export function toTerminalJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(UNSAFE, (character) =>
    character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}

/** UTF-16 units before a character that decide about it: an emoji and its selector. */
const CONTEXT = 4;

/** `before`: the end of what the text follows. */
function clean(text: string, before: string): string {
  const lines = text.includes("\r\n") ? text.replaceAll("\r\n", "\n") : text;
  return lines.replace(UNSAFE, (character, at: number) => {
    const previous = lines.slice(Math.max(0, at - CONTEXT), at);
    return isSpelling(character, at < CONTEXT ? before + previous : previous)
      ? character
      : toVisible(character);
  });
}

function isSpelling(character: string, previous: string): boolean {
  if (character === JOINER) return EMOJI.test(previous) || JOINED.test(previous);
  if (character === NON_JOINER) return JOINED.test(previous);
  return SELECTOR.test(character) && SELECTED.test(previous);
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
  let before = "";
  const give = (text: string): string => {
    const cleaned = clean(text, before);
    before = (before + text).slice(-CONTEXT);
    return cleaned;
  };
  return {
    push(piece) {
      const text = held + piece;
      held = /[\r\ud800-\udbff]$/.exec(text)?.[0] ?? "";
      return give(text.slice(0, text.length - held.length));
    },
    flush() {
      const text = give(held);
      held = "";
      before = "";
      return text;
    },
  };
}
