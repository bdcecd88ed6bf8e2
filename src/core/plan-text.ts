/** A plan as text, for the user to read and edit: a title, then one step a line. */
import { parseStepLine, toStepLine, type StepLine } from "./plan-line.ts";
import { toPlan, type ParsedPlan } from "./plan-proposal.ts";
import type { Plan } from "./plan.ts";

/** Ends in a line end. */
export function toPlanText({ title, steps }: Plan): string {
  return [`# ${title}`, ...steps.map(toStepLine), ""].join("\n");
}

/**
 * What the user made of it; the plan has the status `proposed`. Empty lines are passed over; steps may be moved, taken out and added, also
 * without a number, and are numbered anew in their order. An error names the line, counted from 1.
 */
export function parsePlanText(text: string): ParsedPlan {
  let title: string | undefined;
  const lines: { number: number; step: StepLine }[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    if (/^\s*#/.test(line)) {
      title ??= line.replace(/^[\s#]+/, "").trim();
      continue;
    }
    const parsed = parseStepLine(line);
    if (!parsed.ok) return { ok: false, error: `line ${index + 1}: ${parsed.error}` };
    lines.push({ number: index + 1, step: parsed.step });
  }
  if (lines.length === 0)
    return { ok: false, error: "there is no step in it; write one a line, such as `1. Read the file`" };
  const labels = toLabels(lines.map(({ step }) => step));
  const problem = findProblem(lines, labels);
  if (problem !== undefined) return { ok: false, error: problem };
  const raw = lines.map(({ step }, index) => ({ ...step, label: labels[index] }));
  const made = toPlan({ title: title ?? "", raw });
  if (!made.ok) {
    const line = made.at === undefined ? undefined : lines[made.at]?.number;
    return { ok: false, error: line === undefined ? made.error : `line ${line}: ${made.error}` };
  }
  const steps = made.plan.steps.map((step, index) => ({ ...step, status: raw[index]!.status }));
  return { ok: true, plan: { ...made.plan, steps } };
}

/** Steps without a number get one that no other step has, and that nobody can mean. */
function toLabels(steps: readonly StepLine[]): string[] {
  return steps.map(({ label }, index) => label ?? `new ${index}`);
}

function findProblem(
  lines: readonly { number: number; step: StepLine }[],
  labels: readonly string[],
): string | undefined {
  for (const [index, { number, step }] of lines.entries()) {
    if (labels.indexOf(labels[index]!) < index)
      return `line ${number}: there is a step ${step.label} already; give it another number, or none`;
    const unknown = step.after.find((label) => !labels.includes(label));
    if (unknown !== undefined)
      return `line ${number}: it comes after step ${unknown}, which is not in the plan`;
  }
  return undefined;
}
