import type { ApprovalDecision, ApprovalRequest, Approver } from "../../core/index.ts";
import { toPreviewLines, toReasons } from "../preview.ts";
import { toStyle, type Style } from "../style.ts";
import { toTerminalLine } from "../terminal-text.ts";
import { createLineReader, type LineReader } from "./line-reader.ts";
import type { TextOutput } from "./sink.ts";

export interface TerminalApproverOptions {
  /** A terminal in line mode. Where there is none, use `denyUnattended`. */
  input: NodeJS.ReadableStream;
  output: TextOutput;
  colour: boolean;
  /** Input within this time after a question was typed before it could be read, and is dropped. Default 150. */
  graceMs?: number;
}

const GRACE_MS = 150;

/**
 * Asks in plain lines: `y` once, `n`, or `d` with a note for the model. No answer gives permission for more than this
 * one call. The end of the input is a denial with nobody there.
 */
export function createTerminalApprover({
  input,
  output,
  colour,
  graceMs = GRACE_MS,
}: TerminalApproverOptions): Approver {
  const style = toStyle({ colour });
  const reader = createLineReader(input);
  let last: Promise<unknown> = Promise.resolve();
  return {
    ask(request, { signal }) {
      const answer = last.then(() => ask(request, { reader, output, style, graceMs, signal }));
      last = answer.catch(() => undefined);
      return answer;
    },
  };
}

interface AskOptions {
  reader: LineReader;
  output: TextOutput;
  style: Style;
  graceMs: number;
  signal: AbortSignal;
}

async function ask(request: ApprovalRequest, options: AskOptions): Promise<ApprovalDecision> {
  const { reader, output, style, signal } = options;
  signal.throwIfAborted();
  output.write(`\n${toQuestion(request, style).join("\n")}\n`);
  let graceMs = options.graceMs;
  try {
    for (;;) {
      output.write(`${style.bold("Allow it?")} [y] once  [n] no  [d] no, with a note to the model: `);
      const line = await reader.read({ graceMs, signal });
      graceMs = 0;
      if (line === undefined) return unattended(output);
      const answer = line.trim().toLowerCase();
      if (answer === "y" || answer === "yes") return { decision: "allow", digest: request.digest };
      if (answer === "n" || answer === "no") return { decision: "deny" };
      if (answer === "d") return await askNote(options);
    }
  } catch (error) {
    output.write("\n");
    throw error;
  }
}

async function askNote({ reader, output, style, signal }: AskOptions): Promise<ApprovalDecision> {
  output.write(`${style.bold("Note to the model:")} `);
  const line = await reader.read({ graceMs: 0, signal });
  if (line === undefined) return unattended(output);
  const note = line.trim();
  return note === "" ? { decision: "deny" } : { decision: "deny", note };
}

function unattended(output: TextOutput): ApprovalDecision {
  output.write("\n");
  return { decision: "deny", unattended: true };
}

function toQuestion(request: ApprovalRequest, style: Style): string[] {
  return [
    `${style.yellow("?")} ${style.bold(toTerminalLine(request.tool))}`,
    ...toPreviewLines(request.preview, style).map((line) => `  ${line}`),
    ...toReasons(request).map((text) => `  ${style.yellow(text)}`),
  ];
}
