/** What questions in plain lines share: the terminal they are put on, one after another. */
import { toStyle, type Style } from "../style.ts";
import { createLineReader, type LineReader } from "./line-reader.ts";
import type { TextOutput } from "./sink.ts";

export interface TerminalQuestionOptions {
  /** A terminal in line mode. Where there is none, there is nobody to ask. */
  input: NodeJS.ReadableStream;
  output: TextOutput;
  colour: boolean;
  /** Input within this time after a question was typed before it could be read, and is dropped. Default 150. */
  graceMs?: number;
}

export interface QuestionTerminal {
  reader: LineReader;
  output: TextOutput;
  style: Style;
  graceMs: number;
  signal: AbortSignal;
}

const GRACE_MS = 150;
const COLUMNS = 80;
const MIN_COLUMNS = 20;

/** Puts a question when those before it are answered. */
export type PutQuestion = <Answer>(
  ask: (terminal: QuestionTerminal) => Promise<Answer>,
  options: { signal: AbortSignal },
) => Promise<Answer>;

export function createLineQuestions({
  input,
  output,
  colour,
  graceMs = GRACE_MS,
}: TerminalQuestionOptions): PutQuestion {
  const terminal = { reader: createLineReader(input), output, style: toStyle({ colour }), graceMs };
  let last: Promise<unknown> = Promise.resolve();
  return (ask, { signal }) => {
    const answer = last.then(() => ask({ ...terminal, signal }));
    last = answer.catch(() => undefined);
    return answer;
  };
}

/** One less than the terminal has: a full line would be followed by an empty one. */
export function toQuestionColumns({ columns = COLUMNS }: TextOutput): number {
  return Math.max(MIN_COLUMNS, columns - 1);
}
