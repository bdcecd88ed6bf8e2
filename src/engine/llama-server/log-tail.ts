/** The end of what a program writes, for the error that tells why it ended. */
const MAX_LINES = 20;
const MAX_CHARACTERS = 4_000;

export interface LogTail {
  push(text: string): void;
  /** At most 20 lines, without control characters. */
  read(): string;
}

export function createLogTail(): LogTail {
  let kept = "";
  return {
    push: (text) => {
      kept = (kept + text).slice(-2 * MAX_CHARACTERS);
    },
    read: () => toTail(kept),
  };
}

export function toTail(text: string): string {
  // What terminals would obey, and the padding of progress bars.
  // oxlint-disable-next-line no-control-regex -- that is what it is about
  const clean = text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, "").replace(/[^\P{Cc}\n\t]/gu, "");
  const lines = clean.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-MAX_LINES).join("\n").slice(-MAX_CHARACTERS);
}
