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
import type { Style } from "../style.ts";
import { setIn } from "../wrap.ts";
import {
  createLineQuestions,
  toQuestionColumns,
  type QuestionTerminal,
  type TerminalQuestionOptions,
} from "./questions.ts";
import type { TextOutput } from "./sink.ts";

/**
 * Asks in plain lines: `y` once, `n`, or `d` with a note for the model; where an answer may be remembered also `a` for this session
 * and `w` for this workspace. What is too long to be shown at once cannot be allowed before `s` has shown all of it. Every answer is a line of its own. The end of the input is a denial with nobody there.
 */
export function createTerminalApprover(options: TerminalQuestionOptions): Approver {
  const put = createLineQuestions(options);
  return { ask: (request, { signal }) => put((terminal) => ask(request, terminal), { signal }) };
}

async function ask(request: ApprovalRequest, terminal: QuestionTerminal): Promise<ApprovalDecision> {
  const { reader, output, style, signal } = terminal;
  signal.throwIfAborted();
  const columns = toQuestionColumns(output);
  const pages = toPreviewPages(request.preview, style);
  output.write(`\n${toQuestion(request, { pages, style, columns }).join("\n")}\n`);
  let graceMs = terminal.graceMs;
  try {
    for (;;) {
      output.write(`${style.bold("Allow it?")} ${toChoices(request, pages).join("  ")}: `);
      const line = await reader.read({ graceMs, signal });
      graceMs = 0;
      if (line === undefined) return unattended(output);
      const answer = line.trim().toLowerCase();
      if (answer === "d") return await askNote(terminal);
      const page = answer === "s" ? pages.rest.shift() : undefined;
      if (page !== undefined) {
        output.write(`${setIn(page, { columns }).join("\n")}\n`);
        graceMs = terminal.graceMs;
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

async function askNote({ reader, output, style, signal }: QuestionTerminal): Promise<ApprovalDecision> {
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
