import type { Plan, PlanDecision, PlanReviewer } from "../../core/index.ts";
import { createPlanDraft, type PlanDraft } from "../plan-draft.ts";
import { describePlan, toPlanPages } from "../plan-pages.ts";
import { describeMissing, type Pages } from "../preview-pages.ts";
import { toVisibleLine } from "../terminal-text.ts";
import { setIn } from "../wrap.ts";
import {
  createLineQuestions,
  toQuestionColumns,
  type QuestionTerminal,
  type TerminalQuestionOptions,
} from "./questions.ts";
import { ERASE_LINE } from "./status-line.ts";
import type { TextOutput } from "./sink.ts";

/**
 * Shows a plan in plain lines and asks: `y` follow it, `e` change it line by line, `n` no, `d` no with a note for the model. What is too long
 * to be shown at once cannot be approved before `s` has shown all of it. The end of the input: nobody is there.
 */
export function createTerminalPlanReviewer(options: TerminalQuestionOptions): PlanReviewer {
  const put = createLineQuestions(options);
  return { review: (plan, { signal }) => put((terminal) => review(plan, terminal), { signal }) };
}

async function review(plan: Plan, terminal: QuestionTerminal): Promise<PlanDecision> {
  const { output, signal } = terminal;
  signal.throwIfAborted();
  const draft = createPlanDraft(plan);
  // The status line may still say what runs.
  if (output.isTTY === true) output.write(ERASE_LINE);
  try {
    for (;;) {
      const answer = await askForPlan(draft, terminal);
      if (answer !== "edit") return answer;
      if (!(await edit(draft, terminal))) return unattended(output);
    }
  } catch (error) {
    output.write("\n");
    throw error;
  }
}

async function askForPlan(draft: PlanDraft, terminal: QuestionTerminal): Promise<PlanDecision | "edit"> {
  const { reader, output, style, signal } = terminal;
  const pages = toPlanPages(draft.plan, style);
  write(terminal, [`${style.yellow("?")} ${style.bold("plan")} · ${describePlan(draft.plan)}`], pages.first);
  let { graceMs } = terminal;
  for (;;) {
    output.write(`${style.bold("Follow this plan?")} ${toChoices(pages).join("  ")}: `);
    const line = await reader.read({ graceMs, signal });
    graceMs = 0;
    if (line === undefined) return unattended(output);
    const answer = line.trim().toLowerCase();
    if (answer === "n" || answer === "no") return { decision: "reject" };
    if (answer === "d") return askNote(terminal);
    if (answer === "e") return "edit";
    const page = answer === "s" ? pages.rest.shift() : undefined;
    if (page !== undefined) {
      write(terminal, [], page);
      graceMs = terminal.graceMs;
    } else if ((answer === "y" || answer === "yes") && pages.rest.length === 0) {
      return draft.approve();
    }
  }
}

function toChoices({ rest }: Pages): string[] {
  const others = ["[e] change it", "[n] no", "[d] no, with a note to the model"];
  const [page] = rest;
  if (page === undefined) return ["[y] yes", ...others];
  return [`[s] show the next ${page.length}, ${describeMissing(rest)} not shown yet`, ...others];
}

async function askNote({ reader, output, style, signal }: QuestionTerminal): Promise<PlanDecision> {
  output.write(`${style.bold("Note to the model:")} `);
  const line = await reader.read({ graceMs: 0, signal });
  if (line === undefined) return unattended(output);
  const feedback = line.trim();
  return feedback === "" ? { decision: "reject" } : { decision: "reject", feedback };
}

const EDIT_HELP =
  "[3 new text] replaces line 3  [3] takes it out  [+ text] adds a line\n[.] done  [q] leaves it as it was";

/** Line by line, since a terminal in line mode has no editor. `false`: nobody is there any more. */
async function edit(draft: PlanDraft, terminal: QuestionTerminal): Promise<boolean> {
  const { reader, output, style, signal } = terminal;
  let lines = draft.text.trimEnd().split("\n");
  let problem: string | undefined;
  for (;;) {
    const width = String(lines.length).length;
    const numbered = lines.map(
      (line, index) => `${String(index + 1).padStart(width)}  ${toVisibleLine(line)}`,
    );
    write(terminal, [], numbered);
    if (problem !== undefined) output.write(`${style.red(`✗ ${toVisibleLine(problem)}`)}\n`);
    output.write(`${EDIT_HELP}: `);
    const answer = (await reader.read({ graceMs: 0, signal }))?.trim();
    if (answer === undefined) return false;
    if (answer === "q") return true;
    if (answer === ".") {
      problem = draft.change(lines.join("\n"));
      if (problem === undefined) return true;
      continue;
    }
    const changed = changeLine(lines, answer);
    problem = changed === undefined ? `there is no line for \`${answer}\`` : undefined;
    lines = changed ?? lines;
  }
}

/** `undefined` for what is no change. */
function changeLine(lines: readonly string[], answer: string): string[] | undefined {
  if (answer === "") return [...lines];
  const [, added] = /^\+\s*(.+)$/.exec(answer) ?? [];
  if (added !== undefined) return [...lines, added];
  const [, number = "", text = ""] = /^(\d{1,4})(?:\s+(.*))?$/.exec(answer) ?? [];
  const index = Number(number) - 1;
  if (number === "" || index < 0 || index >= lines.length) return undefined;
  return lines.toSpliced(index, 1, ...(text === "" ? [] : [text]));
}

function write({ output }: QuestionTerminal, heads: readonly string[], lines: readonly string[]): void {
  const columns = toQuestionColumns(output);
  output.write(`${heads.map((head) => `\n${head}\n`).join("")}${setIn(lines, { columns }).join("\n")}\n`);
}

function unattended(output: TextOutput): PlanDecision {
  output.write("\n");
  return { decision: "unattended" };
}
