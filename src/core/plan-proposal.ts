/**
 * Reads the plan that a model proposes. Small models send steps as texts, as JSON in a text, with fields of other names and with numbers
 * of their own; what is plainly meant is taken, and what is not becomes one clear error.
 */
import { isDeeperThan } from "./digest.ts";
import { parseStepLine, splitStepNumber } from "./plan-line.ts";
import { isDone } from "./plan-steps.ts";
import { PLAN_RISKS, type Plan, type PlanRisk, type PlanStep } from "./plan.ts";
import { isObject } from "./json-object.ts";

const MAX_STEPS = 40;
const MAX_TEXT = 600;
const MAX_TITLE = 120;
const MAX_LEVELS = 10;

/** `plan` has the status `proposed`. `at`: the place of the step that is wrong, from 0. */
export type ParsedPlan = { ok: true; plan: Plan } | { ok: false; error: string; at?: number };

/** A step as it came. */
export interface RawStep {
  /** Its own number or name; absent: its place counts. */
  label?: string | undefined;
  description: string;
  verification?: string | undefined;
  risk?: PlanRisk | undefined;
  after: readonly string[];
}

/**
 * From unknown arguments. Steps that are completed in `before` stay, in front and with their notes; what was open there gives way to what
 * is proposed now.
 */
export function parseProposal(input: unknown, before?: Plan): ParsedPlan {
  const { title, steps } = toParts(input);
  const raw = toRawSteps(steps);
  if (raw.length === 0)
    return { ok: false, error: "`steps` is empty; give 1 to 40 steps, each with a description" };
  return toPlan({ title, raw, completed: before?.steps.filter(isDone) ?? [] });
}

/** Numbers the steps from 1 and checks them. */
export function toPlan({
  title,
  raw,
  completed = [],
}: {
  title: string;
  raw: readonly RawStep[];
  completed?: readonly PlanStep[];
}): ParsedPlan {
  const problem = findProblem(raw);
  if (problem !== undefined) return problem;
  const places = new Places(raw, completed);
  const steps = keepCompleted(completed);
  for (const [index, step] of raw.entries()) {
    const id = places.idAt(index);
    if (id <= completed.length) continue;
    const unknown = step.after.find((label) => places.find(label) === undefined);
    if (unknown !== undefined)
      return toError(`step ${index + 1} depends on step ${unknown}, which is not in the plan`, index);
    steps.push(toStep(step, { id, places }));
  }
  const circle = findCircle(steps);
  if (circle.length > 0)
    return toError(
      circle.length === 1
        ? `step ${circle[0]} depends on itself`
        : `steps ${circle.join(", ")} depend on each other, so none of them can be first`,
      circle[0]! - 1 - completed.length,
    );
  if (steps.every(isDone)) return toError("all of these steps are completed already; give the open ones");
  const shown = title.length > MAX_TITLE ? `${title.slice(0, MAX_TITLE - 1)}…` : title;
  return { ok: true, plan: { title: shown || "Plan", steps, status: "proposed" } };
}

type ProposalError = Extract<ParsedPlan, { ok: false }>;

function toError(error: string, at?: number): ProposalError {
  return { ok: false, error, ...(at === undefined ? {} : { at }) };
}

function findProblem(raw: readonly RawStep[]): ProposalError | undefined {
  if (raw.length > MAX_STEPS)
    return toError(
      `the plan has more than ${MAX_STEPS} steps, at most ${MAX_STEPS} are taken; put some together`,
    );
  for (const [index, { description, verification = "" }] of raw.entries()) {
    if (description === "") return toError(`step ${index + 1} has no description`, index);
    if (Math.max(description.length, verification.length) > MAX_TEXT)
      return toError(`step ${index + 1} is longer than ${MAX_TEXT} characters; say it shorter`, index);
  }
  return undefined;
}

function toStep(
  { description, verification, risk, after }: RawStep,
  { id, places }: { id: number; places: Places },
): PlanStep {
  const dependencies = new Set(after.flatMap((label) => places.find(label) ?? []));
  return {
    id,
    description,
    ...(verification ? { verification } : {}),
    ...(risk === undefined ? {} : { risk }),
    dependencies: [...dependencies].toSorted((a, b) => a - b),
    status: "pending",
  };
}

/** In front, numbered anew. */
function keepCompleted(completed: readonly PlanStep[]): PlanStep[] {
  const ids = new Map(completed.map(({ id }, index) => [id, index + 1]));
  return completed.map((step) => ({
    ...step,
    id: ids.get(step.id)!,
    dependencies: step.dependencies.flatMap((id) => ids.get(id) ?? []),
  }));
}

/** Which number each proposed step gets, and what a label means. */
class Places {
  readonly #ids: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #older = new Map<string, number>();

  constructor(raw: readonly RawStep[], completed: readonly PlanStep[]) {
    const done = new Map(completed.map(({ description }, index) => [toKey(description), index + 1]));
    let next = completed.length;
    for (const { description } of raw) this.#ids.push(done.get(toKey(description)) ?? (next += 1));
    const labels = raw.map(({ label }) => label?.toLowerCase());
    const areOwn = labels.every((label) => label !== undefined) && new Set(labels).size === labels.length;
    for (const [index, id] of this.#ids.entries())
      this.#labels.set(areOwn ? labels[index]! : String(index + 1), id);
    for (const [index, step] of completed.entries()) this.#older.set(String(step.id), index + 1);
  }

  idAt(index: number): number {
    return this.#ids[index]!;
  }

  /** A label of this proposal, `step 2` for 2, or the number of a step that is completed. */
  find(label: string): number | undefined {
    const lower = label.toLowerCase();
    const number = /^(?:step|s|#)[\s_#-]*(\d+)$/.exec(lower)?.[1] ?? lower;
    return this.#labels.get(lower) ?? this.#labels.get(number) ?? this.#older.get(number);
  }
}

function toKey(description: string): string {
  return description.toLowerCase().replace(/\W+/g, " ").trim();
}

/** The steps that are left when all that can be done one after another are done. */
function findCircle(steps: readonly PlanStep[]): number[] {
  const done = new Set<number>();
  for (;;) {
    const ready = steps.filter(
      ({ id, dependencies }) => !done.has(id) && dependencies.every((each) => done.has(each)),
    );
    if (ready.length === 0) return steps.flatMap(({ id }) => (done.has(id) ? [] : [id]));
    for (const { id } of ready) done.add(id);
  }
}

function toParts(input: unknown): { title: string; steps: unknown } {
  const value = parseJson(input);
  if (Array.isArray(value)) return { title: "", steps: value };
  const record = isObject(value) ? value : {};
  const inner = parseJson(record["plan"]);
  const title = toText(record["title"] ?? record["name"] ?? record["goal"]);
  if (record["steps"] === undefined && Array.isArray(inner)) return { title, steps: inner };
  if (record["steps"] === undefined && isObject(inner)) {
    const parts = toParts(inner);
    return { ...parts, title: parts.title || title };
  }
  return { title, steps: parseJson(record["steps"]) };
}

function toRawSteps(steps: unknown): RawStep[] {
  if (typeof steps === "string") return toRawSteps(steps.split("\n").filter((line) => line.trim() !== ""));
  // `{"1": …, "2": …}`
  if (isObject(steps))
    return toRawSteps(Object.entries(steps).map(([id, step]) => (isObject(step) ? { id, ...step } : step)));
  if (!Array.isArray(steps)) return [];
  return steps.slice(0, MAX_STEPS + 1).map(toRawStep);
}

const NAMES = {
  label: ["id", "step_id", "stepid", "number", "no", "index"],
  description: ["description", "step", "text", "task", "action", "title", "name", "what"],
  verification: ["verification", "verify", "check", "validation", "test"],
  risk: ["risk", "risks", "risk_level"],
  after: ["depends_on", "dependencies", "depends", "dependson", "after", "requires", "prerequisites"],
} as const;

function toRawStep(value: unknown): RawStep {
  const step = typeof value === "string" && value.trimStart().startsWith("{") ? parseJson(value) : value;
  if (!isObject(step)) return parseTextStep(toText(step));
  const fields = new Map(Object.entries(step).map(([name, field]) => [name.toLowerCase(), field]));
  const read = (names: readonly string[]): unknown =>
    names.map((name) => fields.get(name)).find((field) => field !== undefined && field !== null);
  const description = NAMES.description
    .map((name) => fields.get(name))
    .find((field) => typeof field === "string");
  const own = read(NAMES.label) ?? (typeof fields.get("step") === "number" ? fields.get("step") : undefined);
  const label = toText(own);
  return {
    label: label === "" ? undefined : label,
    description: splitStepNumber(toText(description)).rest,
    verification: toText(read(NAMES.verification)) || undefined,
    risk: toRisk(toText(read(NAMES.risk))),
    after: toLabels(read(NAMES.after)),
  };
}

/** A text is read as the user would write it; what is no field of ours belongs to the description. */
function parseTextStep(text: string): RawStep {
  const parsed = parseStepLine(text);
  return parsed.ok
    ? { ...parsed.step, label: undefined }
    : { description: splitStepNumber(text).rest, after: [] };
}

function toRisk(text: string): PlanRisk | undefined {
  const lower = text.toLowerCase();
  return PLAN_RISKS.find((risk) => lower.startsWith(risk.slice(0, 3)));
}

/** Numbers, texts, a list in one text; 0, "none" and the like are nothing. */
function toLabels(value: unknown): string[] {
  if (Array.isArray(value)) return value.slice(0, MAX_STEPS).flatMap(toLabels);
  if (isObject(value)) return toLabels(NAMES.label.map((name) => value[name]).find((id) => id !== undefined));
  return toText(value)
    .replace(/^\[|\]$/g, "")
    .split(/,|;|&|\band\b/)
    .map((label) => label.replaceAll(/["'.]/g, "").trim())
    .filter((label) => label !== "" && !/^(?:0|none|nothing|null|n\/a|-)$/i.test(label));
}

function parseJson(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    const parsed = JSON.parse(value) as unknown;
    return isDeeperThan(parsed, MAX_LEVELS) ? value : parsed;
  } catch {
    return value;
  }
}

/** One line. */
function toText(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return value.map(toText).filter(Boolean).join("; ");
  return typeof value === "string" ? value.replace(/\s+/g, " ").trim() : "";
}
