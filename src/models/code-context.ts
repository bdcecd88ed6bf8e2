/** Knows whether a place in Markdown lies inside code, fed with the text in pieces of any size. */
export interface CodeContext {
  feed(text: string): void;
  /** Inside a fenced block. */
  readonly fenced: boolean;
  /** Inside a fence or between backticks on this line. */
  readonly inCode: boolean;
  /** What stands before on the same line; of a very long one the middle is left out. */
  readonly line: string;
}

/** Enough to tell how a line begins and ends; a bound keeps a text without line ends from costing its length at every step. */
const KEPT_CHARS = 128;

export function createCodeContext(): CodeContext {
  let line = "";
  let ticks = 0;
  let fence = 0;
  const addToLine = (text: string) => {
    ticks += countTicks(text);
    line += text;
    if (line.length > 4 * KEPT_CHARS) line = line.slice(0, KEPT_CHARS) + line.slice(-KEPT_CHARS);
  };
  const endLine = () => {
    const leading = /^\s*(`{3,})/.exec(line)?.[1]?.length ?? 0;
    // Backticks after the first ones make it a line with inline code.
    if (fence === 0) fence = leading === ticks ? leading : 0;
    // Models also close a fence at the end of its last line.
    else if (leading >= fence || line.trimEnd().endsWith("`".repeat(fence))) fence = 0;
    line = "";
    ticks = 0;
  };
  return {
    feed(text) {
      let from = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
        addToLine(text.slice(from, end));
        endLine();
        from = end + 1;
      }
      if (from < text.length) addToLine(text.slice(from));
    },
    get fenced() {
      return fence > 0;
    },
    get inCode() {
      return fence > 0 || ticks % 2 === 1;
    },
    get line() {
      return line;
    },
  };
}

function countTicks(text: string): number {
  let count = 0;
  for (let at = text.indexOf("`"); at >= 0; at = text.indexOf("`", at + 1)) count += 1;
  return count;
}
