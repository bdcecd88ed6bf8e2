import { createLineReader } from "../tui/plain/line-reader.ts";

/** A key that was pressed before the question could be read is no answer. */
const GRACE_MS = 150;

export interface AskOptions {
  /** Where the question stands. */
  output: NodeJS.WritableStream;
  signal: AbortSignal;
}

/** Asks on the terminal until the answer is yes or no. The end of the input is a no. Throws the signal's reason on abort. */
export async function askYes(question: string, { output, signal }: AskOptions): Promise<boolean> {
  const reader = createLineReader(process.stdin);
  for (let graceMs = GRACE_MS; ; graceMs = 0) {
    output.write(`${question} [y] yes  [n] no: `);
    const line = await reader.read({ graceMs, signal });
    const answer = line?.trim().toLowerCase();
    if (answer === "y" || answer === "yes") return true;
    if (answer === undefined || answer === "n" || answer === "no") return false;
  }
}
