/** A longer line keeps only its end, which then is no line that anybody wrote. */
const MAX_LINE_CHARACTERS = 1_024 * 1_024;

/** Cuts text that comes in pieces into lines. */
export function createLineReader(onLine: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!.slice(-MAX_LINE_CHARACTERS);
    for (const line of lines) onLine(line);
  };
}
