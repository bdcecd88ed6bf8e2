/** Knows whether a place in Markdown lies inside code, fed with the text in pieces of any size. */
export interface CodeContext {
  feed(text: string): void;
  /** Inside a fenced block. */
  readonly fenced: boolean;
  /** Inside a fence, in an indented block, or between backticks on this line. */
  readonly inCode: boolean;
  /** What stands before on the same line; of a very long one the middle is left out. */
  readonly line: string;
}

/** Enough to tell how a line begins and ends; a bound keeps a text without line ends from costing its length at every step. */
const KEPT_CHARS = 128;
const INDENTED = /^(?: {4}|\t)/;
const INDENTED_IN_LIST = /^(?: {6}|\t\t)/;
const LIST_ITEM = /^\s*(?:[-*+]|\d+[.)])\s/;

export function createCodeContext(): CodeContext {
  let line = "";
  let ticks = 0;
  let fence = "";
  let begun = false;
  // An indented block begins after an empty line; anywhere else the spaces are those of a list or a long line.
  let mayIndent = false;
  let listed = false;
  const isIndented = () => (listed ? INDENTED_IN_LIST : INDENTED).test(line);
  const addToLine = (text: string) => {
    ticks += countTicks(text);
    line += text;
    if (line.length > 4 * KEPT_CHARS) line = line.slice(0, KEPT_CHARS) + line.slice(-KEPT_CHARS);
  };
  const endLine = () => {
    const leading = /^\s*(`{3,}|~{3,})/.exec(line)?.[1] ?? "";
    // Backticks after the first ones make it a line with inline code.
    if (fence === "") fence = leading.startsWith("~") || leading.length === ticks ? leading : "";
    // Models also close a fence at the end of its last line.
    else if (leading.startsWith(fence) || line.trimEnd().endsWith(fence)) fence = "";
    if (line.trim() === "") mayIndent = begun;
    else {
      mayIndent &&= isIndented();
      listed = LIST_ITEM.test(line) || (listed && /^\s/.test(line));
      begun = true;
    }
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
      return fence !== "";
    },
    get inCode() {
      return fence !== "" || ticks % 2 === 1 || (mayIndent && isIndented());
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
