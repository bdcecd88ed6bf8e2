/** A plan that a model wrote as JSON into its answer is taken as the call that it should have been. */
import { isDeeperThan } from "./digest.ts";
import type { Model, ModelEvent, ModelReply, ProposedCall } from "./model.ts";
import { PLAN_PROPOSE } from "./plan-mode.ts";
import type { Plan } from "./plan.ts";

/** Arguments for `plan_propose`, and the answer without them; `undefined` when there is no plan in the text. */
export interface PlanFromText {
  arguments: Readonly<Record<string, unknown>>;
  rest: string;
}

const MAX_LEVELS = 20;

export function planFromText(text: string): PlanFromText | undefined {
  for (const { json, start, end } of candidates(text)) {
    const found = toArguments(parse(json));
    if (found !== undefined)
      return { arguments: found, rest: `${text.slice(0, start)}${text.slice(end)}`.trim() };
  }
  return undefined;
}

interface Candidate {
  json: string;
  start: number;
  end: number;
}

/** Code blocks first, then from the first brace or bracket to the last. */
function* candidates(text: string): Generator<Candidate> {
  for (const match of text.matchAll(/```[^\n`]*\n([^`]+)```/g))
    yield { json: match[1]!, start: match.index, end: match.index + match[0].length };
  for (const brackets of ["{}", "[]"]) {
    const start = text.indexOf(brackets.charAt(0));
    const end = text.lastIndexOf(brackets.charAt(1)) + 1;
    if (start >= 0 && end > start) yield { json: text.slice(start, end), start, end };
  }
}

function parse(json: string): unknown {
  for (const text of [json, json.replace(/,(?=\s*[\]}])/g, "")])
    try {
      const value = JSON.parse(text) as unknown;
      return isDeeperThan(value, MAX_LEVELS) ? undefined : value;
    } catch {
      // The next form, or none.
    }
  return undefined;
}

function toArguments(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (Array.isArray(value)) return value.some(isStep) ? { steps: value } : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  const record = value as Record<string, unknown>;
  if (hasItems(record["steps"])) return record;
  // A call in words: `{"name": "plan_propose", "arguments": {…}}`.
  return toArguments(record["plan"] ?? record["arguments"] ?? record["parameters"]);
}

function hasItems(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function isStep(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const fields = Object.keys(value).map((name) => name.toLowerCase());
  return fields.some((name) => ["description", "step", "task", "action"].includes(name));
}

/**
 * The model as it is, but for a reply without a call while a plan is wanted (status `planning`): a plan in its text becomes a call of
 * `plan_propose`, marked as rescued, when that tool was offered.
 */
export function rescuePlans(model: Model, plan: () => Plan | undefined): Model {
  return {
    id: model.id,
    describe: (options) => model.describe(options),
    async *stream(request, options): AsyncGenerator<ModelEvent> {
      const isOffered = request.tools.some((tool) => tool.function.name === PLAN_PROPOSE);
      const isWanted = isOffered && request.toolChoice !== "none";
      for await (const event of model.stream(request, options))
        yield event.type === "finished" && isWanted && plan()?.status === "planning"
          ? { type: "finished", reply: rescueReply(event.reply) }
          : event;
    },
  };
}

function rescueReply(reply: ModelReply): ModelReply {
  if (reply.calls.length > 0 || reply.finish !== "stop") return reply;
  const found = planFromText(reply.text);
  if (found === undefined) return reply;
  const call: ProposedCall = {
    id: `call_${crypto.randomUUID().slice(0, 8)}`,
    name: PLAN_PROPOSE,
    arguments: found.arguments,
    raw: reply.text,
    rescued: "a plan in the text of the answer",
  };
  return { ...reply, text: found.rest, calls: [call], finish: "tool_calls" };
}
