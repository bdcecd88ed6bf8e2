import type { ApprovalDecision, ApprovalRequest, Approver } from "../../core/index.ts";
import {
  describeOffer,
  toFacts,
  toPreviewPages,
  toReasons,
  toToolName,
  type PreviewPages,
} from "../preview.ts";
import { describeMissing } from "../preview-pages.ts";
import { toStyle, type Style } from "../style.ts";
import { setIn } from "../wrap.ts";
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

const COLUMNS = 80;
const MIN_COLUMNS = 20;

/**
 * Asks in plain lines: `y` once, `n`, or `d` with a note for the model; where an answer may be remembered also `a` for this session
 * and `w` for this workspace. What is too long to be shown at once cannot be allowed before `s` has shown all of it. Every answer is a line of its own. The end of the input is a denial with nobody there.
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
  const columns = Math.max(MIN_COLUMNS, (output.columns ?? COLUMNS) - 1);
  const pages = toPreviewPages(request.preview, style);
  output.write(`\n${toQuestion(request, { pages, style, columns }).join("\n")}\n`);
  let graceMs = options.graceMs;
  try {
    for (;;) {
      output.write(`${style.bold("Allow it?")} ${toChoices(request, pages).join("  ")}: `);
      const line = await reader.read({ graceMs, signal });
      graceMs = 0;
      if (line === undefined) return unattended(output);
      const answer = line.trim().toLowerCase();
      if (answer === "d") return await askNote(options);
      const page = answer === "s" ? pages.rest.shift() : undefined;
      if (page !== undefined) {
        output.write(`${setIn(page, { columns }).join("\n")}\n`);
        graceMs = options.graceMs;
        continue;
      }
      const decision = toDecision(answer, request);
      if (decision?.decision === "deny" || (decision !== undefined && isShown(pages))) return decision;
    }
  } catch (error) {
    output.write("\n");
    throw error;
  }
}

function isShown({ rest, tooLong }: PreviewPages): boolean {
  return rest.length === 0 && !tooLong;
}

function toDecision(answer: string, { digest, offer }: ApprovalRequest): ApprovalDecision | undefined {
  if (answer === "y" || answer === "yes") return { decision: "allow", digest };
  if (answer === "n" || answer === "no") return { decision: "deny" };
  if (describeOffer(offer) === undefined) return undefined;
  if (answer === "a") return { decision: "allow", digest, remember: "session" };
  return answer === "w" ? { decision: "allow", digest, remember: "workspace" } : undefined;
}

function toChoices({ offer }: ApprovalRequest, pages: PreviewPages): string[] {
  const deny = ["[n] no", "[d] no, with a note to the model"];
  const [page] = pages.rest;
  if (page !== undefined) {
    const missing = `${describeMissing(pages.rest)} not shown yet`;
    return [`[s] show the next ${page.length}, ${missing}`, ...deny];
  }
  if (pages.tooLong) return deny;
  const remembered = ["[a] in this session", "[w] always in this workspace"];
  return ["[y] once", ...(describeOffer(offer) === undefined ? [] : remembered), ...deny];
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

interface QuestionLook {
  pages: PreviewPages;
  style: Style;
  columns: number;
}

/** Everything but the first line is set in, so that nothing in it can pass for a question. */
function toQuestion(request: ApprovalRequest, { pages, style, columns }: QuestionLook): string[] {
  const offer = describeOffer(request.offer);
  const lines = [
    ...pages.first,
    ...toFacts(request),
    ...toReasons(request).map(style.yellow),
    ...(offer === undefined ? [] : [`a and w are for ${offer}`]),
  ];
  return [`${style.yellow("?")} ${style.bold(toToolName(request.tool))}`, ...setIn(lines, { columns })];
}
