import { toChoicePages, type Choice, type ChoiceRequest, type Choose } from "../choice.ts";
import { describeMissing } from "../preview-pages.ts";
import { toStyle, type Style } from "../style.ts";
import { setIn } from "../wrap.ts";
import { createLineReader, type LineReader } from "./line-reader.ts";
import type { TextOutput } from "./sink.ts";

export interface TerminalChooserOptions {
  /** A terminal in line mode. */
  input: NodeJS.ReadableStream;
  output: TextOutput;
  colour: boolean;
}

const COLUMNS = 80;
const MIN_COLUMNS = 20;

/** Asks in plain lines; every answer is a line of its own. */
export function createTerminalChooser({ input, output, colour }: TerminalChooserOptions): Choose {
  const style = toStyle({ colour });
  const reader = createLineReader(input);
  return async (request, { signal = new AbortController().signal }) => {
    const chosen = await choose(request, { reader, output, style, signal });
    if (chosen === undefined) output.write("\n");
    return chosen?.value;
  };
}

interface ChooseOptions {
  reader: LineReader;
  output: TextOutput;
  style: Style;
  signal: AbortSignal;
}

async function choose<Value>(
  request: ChoiceRequest<Value>,
  options: ChooseOptions,
): Promise<Choice<Value> | undefined> {
  const { reader, output, style, signal } = options;
  const columns = Math.max(MIN_COLUMNS, (output.columns ?? COLUMNS) - 1);
  const pages = toChoicePages(request.lines, style);
  const show = (lines: readonly string[]) => output.write(`${setIn(lines, { columns }).join("\n")}\n`);
  output.write(`${style.yellow("?")} ${style.bold(request.question)}\n`);
  show(pages.first);
  for (;;) {
    const [safe] = request.choices;
    const offered = pages.rest.length === 0 ? request.choices : [safe];
    const keys = offered.map(({ key, label }) => `[${key}] ${label}`);
    if (pages.rest.length > 0) keys.unshift(`[s] show more, ${describeMissing(pages.rest)} not shown yet`);
    output.write(`${keys.join("  ")}: `);
    const answer = (await reader.read({ graceMs: 0, signal }))?.trim().toLowerCase();
    if (answer === undefined) return undefined;
    const page = answer === "s" ? pages.rest.shift() : undefined;
    if (page !== undefined) show(page);
    const choice = offered.find(({ key }) => key === answer);
    if (choice !== undefined && (await confirm(choice, options))) return choice;
  }
}

async function confirm<Value>(
  choice: Choice<Value>,
  { reader, output, style, signal }: ChooseOptions,
): Promise<boolean> {
  if (choice.confirm === undefined) return true;
  output.write(`${style.bold(choice.confirm)} Type yes: `);
  return (await reader.read({ graceMs: 0, signal }))?.trim().toLowerCase() === "yes";
}
