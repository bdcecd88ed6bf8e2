/** Plans that come by other ways than a call: as JSON in an answer, or from a session that ended before the user had decided. */
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
 * The model as it is, but for two things. A plan that nobody has decided about and that was kept from before (`restored`) is put to the user
 * first: the first reply is its proposal, without a request. And in a reply without a call while a plan is wanted (status `planning`), a plan in the text becomes a
 * call of `plan_propose`, marked as rescued. Both only where that tool is offered. Make one for each run.
 */
export function rescuePlans(
  model: Model,
  plan: () => Plan | undefined,
  { restored = true }: { restored?: boolean } = {},
): Model {
  let isFirst = restored;
  const acquireSlot = model.acquireSlot?.bind(model);
  return {
    get id() {
      return model.id;
    },
    describe: (options) => model.describe(options),
    ...(acquireSlot === undefined ? {} : { acquireSlot }),
    async *stream(request, options): AsyncGenerator<ModelEvent> {
      const isOffered = request.tools.some((tool) => tool.function.name === PLAN_PROPOSE);
      const isWanted = isOffered && request.toolChoice !== "none";
      const pending = isFirst && isWanted ? plan() : undefined;
      isFirst &&= !isWanted;
      if (pending?.status === "proposed" && pending.steps.length > 0) {
        yield { type: "finished", reply: toProposal(pending) };
        return;
      }
      for await (const event of model.stream(request, options))
        yield event.type === "finished" && isWanted && plan()?.status === "planning"
          ? { type: "finished", reply: rescueReply(event.reply) }
          : event;
    },
  };
}

/** Its completed steps are known by their words. */
function toProposal({ title, steps }: Plan): ModelReply {
  const proposed = steps.map(({ id, description, verification, risk, dependencies }) => ({
    id,
    description,
    ...(verification === undefined ? {} : { verification }),
    ...(risk === undefined ? {} : { risk }),
    depends_on: dependencies,
  }));
  const call = toCall({ title, steps: proposed });
  return { text: "", thinking: "", calls: [call], finish: "tool_calls" };
}

function toCall(args: Readonly<Record<string, unknown>>): ProposedCall {
  const id = `call_${crypto.randomUUID().slice(0, 8)}`;
  return { id, name: PLAN_PROPOSE, arguments: args, raw: JSON.stringify(args) };
}

function rescueReply(reply: ModelReply): ModelReply {
  if (reply.calls.length > 0 || reply.finish !== "stop") return reply;
  const found = planFromText(reply.text);
  if (found === undefined) return reply;
  const call = { ...toCall(found.arguments), rescued: "a plan in the text of the answer" };
  return { ...reply, text: found.rest, calls: [call], finish: "tool_calls" };
}
