/** Knows whether a place in Markdown lies inside code, fed with the text in pieces of any size. */
export interface CodeContext {
  feed(text: string): void;
  /** Inside a fenced block. */
  readonly fenced: boolean;
  /** Inside a fence or between backticks on this line. */
  readonly inCode: boolean;
  /** What stands before on the same line. */
  readonly line: string;
}

export function createCodeContext(): CodeContext {
  let line = "";
  let fence = 0;
  const endLine = () => {
    const ticks = /^\s*(`{3,})/.exec(line)?.[1]?.length ?? 0;
    if (fence === 0) fence = ticks > 0 && !line.slice(line.indexOf("`") + ticks).includes("`") ? ticks : 0;
    // Models also close a fence at the end of its last line.
    else if (ticks >= fence || line.trimEnd().endsWith("`".repeat(fence))) fence = 0;
    line = "";
  };
  return {
    feed(text) {
      let from = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
        line += text.slice(from, end);
        endLine();
        from = end + 1;
      }
      line += text.slice(from);
    },
    get fenced() {
      return fence > 0;
    },
    get inCode() {
      return fence > 0 || (line.split("`").length - 1) % 2 === 1;
    },
    get line() {
      return line;
    },
  };
}
