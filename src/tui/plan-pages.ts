/** A plan as a person is shown it before they decide. Nothing in it is hidden: what cannot be seen is shown by its number. */
import type { Plan, PlanRisk, PlanStep, PlanStepStatus } from "../core/index.ts";
import { formatCounted } from "./format.ts";
import { countBlanks, toPages, type PageLine, type Pages } from "./preview-pages.ts";
import type { Paint, Style } from "./style.ts";
import { toVisibleLine } from "./terminal-text.ts";

const MARKS: Readonly<Record<PlanStepStatus, string>> = {
  pending: "",
  in_progress: "(in progress) ",
  completed: "(done) ",
  failed: "(failed) ",
};

export function toPlanPages(plan: Plan, style: Style): Pages {
  const width = String(plan.steps.length).length;
  const lines = plan.steps.flatMap((step) => toStepLines(step, { style, width }));
  return toPages([toLine(plan.title.trim() || "(no title)", style.bold), ...lines], style);
}

/** `5 steps`, and what of them is not harmless. */
export function describePlan({ steps }: Plan): string {
  const risky = steps.filter(({ risk }) => risk === "high").length;
  const count = formatCounted(steps.length, "step");
  return risky === 0 ? count : `${count}, ${risky} of high risk`;
}

function toStepLines(step: PlanStep, { style, width }: { style: Style; width: number }): PageLine[] {
  const { id, description, verification, risk, dependencies, status, notes } = step;
  const indent = " ".repeat(width + 2);
  const plain: Paint = (text) => text;
  const facts = [
    ...(risk === undefined ? [] : [`risk: ${risk}`]),
    ...(dependencies.length === 0 ? [] : [`after: ${dependencies.join(", ")}`]),
  ];
  return [
    toLine(`${String(id).padStart(width)}. ${MARKS[status]}${description}`, plain),
    ...(verification === undefined ? [] : [toLine(`${indent}verify: ${verification}`, style.dim)]),
    ...(facts.length === 0 ? [] : [toLine(indent + facts.join(" · "), toRiskPaint(risk, style))]),
    ...(notes === undefined ? [] : [toLine(`${indent}notes: ${notes}`, style.dim)]),
  ];
}

function toRiskPaint(risk: PlanRisk | undefined, style: Style): Paint {
  if (risk === "high") return style.red;
  return risk === "medium" ? style.yellow : style.dim;
}

function toLine(text: string, paint: Paint): PageLine {
  return { text: countBlanks(toVisibleLine(text)), empty: false, paint };
}
