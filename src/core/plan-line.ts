/** One step of a plan as a line that a person reads and writes: `1. Write the test | verify: it fails | risk: low | after: 1, 2`. */
import { PLAN_RISKS, type PlanRisk, type PlanStep, type PlanStepStatus } from "./plan.ts";

export interface StepLine {
  /** The number that stands in front; absent: its place counts. */
  label?: string;
  status: PlanStepStatus;
  description: string;
  verification?: string;
  risk?: PlanRisk;
  after: readonly string[];
}

export type ParsedStepLine = { ok: true; step: StepLine } | { ok: false; error: string };

const MAX_LINE = 2_000;

const MARKS: Readonly<Record<PlanStepStatus, string>> = {
  pending: "",
  in_progress: "[>] ",
  completed: "[x] ",
  failed: "[!] ",
};

/** Bars that are no separator have a backslash, and so have those backslashes. */
export function toStepLine(step: PlanStep): string {
  const fields = [
    `${step.id}. ${toMark(step)}${escape(step.description)}`,
    ...(step.verification === undefined ? [] : [`verify: ${escape(step.verification)}`]),
    ...(step.risk === undefined ? [] : [`risk: ${step.risk}`]),
    ...(step.dependencies.length === 0 ? [] : [`after: ${step.dependencies.join(", ")}`]),
  ];
  return fields.join(" | ");
}

/** A description that looks like a mark has one before it. */
function toMark({ status, description }: PlanStep): string {
  return status === "pending" && description.startsWith("[") ? "[ ] " : MARKS[status];
}

/** The error says what is wrong with the line, without its number. */
export function parseStepLine(line: string): ParsedStepLine {
  if (line.length > MAX_LINE) return { ok: false, error: `it is longer than ${MAX_LINE} characters` };
  const [first = "", ...rest] = splitFields(line);
  const { label, rest: words } = splitStepNumber(first);
  const marked = /^\[([ xX>!])\]\s*(.*)$/s.exec(words);
  const step: StepLine = {
    ...(label === undefined ? {} : { label }),
    status: toStatus(marked?.[1]),
    description: (marked?.[2] ?? words).trim(),
    after: [],
  };
  if (step.description === "") return { ok: false, error: "there is no description" };
  for (const field of rest) {
    const problem = addField(step, field);
    if (problem !== undefined) return { ok: false, error: problem };
  }
  return { ok: true, step };
}

/** Takes `1.`, `2)`, `Step 3:` or a bullet off the front. */
export function splitStepNumber(text: string): { label?: string; rest: string } {
  const numbered = /^\s*(?:step\s+)?(\d{1,3})\s*[.):](?:\s+(.*))?$/is.exec(text);
  if (numbered) return { label: String(Number(numbered[1])), rest: numbered[2]?.trim() ?? "" };
  return { rest: text.replace(/^\s*[-*•]\s+/, "").trim() };
}

function toStatus(mark: string | undefined): PlanStepStatus {
  if (mark === undefined || mark === " ") return "pending";
  if (mark === ">") return "in_progress";
  return mark === "!" ? "failed" : "completed";
}

function addField(step: StepLine, field: string): string | undefined {
  const [, name = "", value = ""] = /^(\w[\w ]*?)\s*:\s*(.*)$/s.exec(field) ?? [];
  switch (name.toLowerCase()) {
    case "verify":
    case "verification":
      if (value !== "") step.verification = value;
      return undefined;
    case "risk": {
      const risk = PLAN_RISKS.find((each) => each === value.toLowerCase());
      if (risk === undefined) return `risk is \`${value}\`; it can be ${PLAN_RISKS.join(", ")}`;
      step.risk = risk;
      return undefined;
    }
    case "after":
    case "depends on": {
      const labels = value.split(/[\s,]+/).filter((label) => label !== "");
      const wrong = labels.find((label) => !/^\d{1,4}$/.test(label));
      if (wrong !== undefined)
        return `after names \`${wrong}\`; give numbers of steps, such as \`after: 1, 2\``;
      step.after = labels.map((label) => String(Number(label)));
      return undefined;
    }
    default:
      return `\`| ${field.slice(0, 40)}\` is no field; there are verify, risk and after, and a bar in a text is written \`\\|\``;
  }
}

/** At bars without a backslash. */
function splitFields(line: string): string[] {
  const fields = [""];
  for (let index = 0; index < line.length; index += 1) {
    const [char = "", next = ""] = [line[index], line[index + 1]];
    const isEscape = char === "\\" && (next === "|" || next === "\\");
    if (isEscape) index += 1;
    if (char === "|") fields.push("");
    else fields[fields.length - 1] += isEscape ? next : char;
  }
  return fields.map((field) => field.trim());
}

function escape(text: string): string {
  return text.replace(/\s+/g, " ").replace(/\\(?=[\\|])|\||\\$/g, "\\$&");
}
