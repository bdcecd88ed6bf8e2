import type { ProposedCall, ToolSchema } from "../core/model.ts";
import type { AssembledCall } from "./assemble-calls.ts";
import { parseCallArguments } from "./call-arguments.ts";
import { CUT_OFF } from "./rescue/form.ts";
import type { FormedCall } from "./rescue/marked.ts";
import { resolveToolName } from "./tool-names.ts";

export interface CallScope {
  tools: readonly ToolSchema[];
  /** The reply came to its own end. If not, no call of it may run, for each may lack something. */
  complete: boolean;
  /** Ids that are taken; new ones are added. */
  usedIds: Set<string>;
  newId: () => string;
  /** Tool results and user messages that the model answers; a call written as text that stands in one is a quotation. */
  sources?: readonly string[];
}

/** Judges a call that came over the protocol. */
export function toProposedCall(call: AssembledCall, scope: CallScope): ProposedCall {
  const raw = typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments);
  return propose({ ...call, raw }, scope);
}

/** Judges a call that was written as text. */
export function toRescuedCall(call: FormedCall, scope: CallScope): ProposedCall {
  const proposed = propose({ ...call, id: undefined }, scope);
  // Arguments that are an object are what these forms hold, and nothing to report.
  const details = proposed.rescued?.split(", ").filter((detail) => detail !== "object arguments") ?? [];
  return { ...proposed, rescued: [call.form, ...details].join(", ") };
}

interface JudgedCall {
  id: string | undefined;
  name: string;
  arguments: unknown;
  raw: string;
  problem?: string;
}

function propose(call: JudgedCall, scope: CallScope): ProposedCall {
  const id = takeId(call.id, scope);
  const declared = scope.tools.map((tool) => tool.function.name);
  const name = resolveToolName(call.name, declared);
  const known = "name" in name ? name.name : call.name;
  const refuse = (problem: string): ProposedCall => ({
    id,
    name: known === "" ? "unknown" : known,
    arguments: undefined,
    raw: call.raw,
    problem,
  });
  if (!scope.complete) return refuse(CUT_OFF);
  if (call.problem !== undefined) return refuse(call.problem);
  if ("problem" in name) return refuse(call.name === "" ? "The call has no tool name." : name.problem);
  const args = parseCallArguments(call.arguments, { complete: scope.complete });
  if ("problem" in args) return refuse(args.problem);
  const rescued = [args.rescued, name.rescued].filter((detail) => detail !== undefined);
  return {
    id,
    name: name.name,
    arguments: args.arguments,
    raw: call.raw,
    ...(rescued.length > 0 ? { rescued: rescued.join(", ") } : {}),
  };
}

function takeId(given: string | undefined, { usedIds, newId }: CallScope): string {
  let id = given ?? newId();
  while (usedIds.has(id)) id = newId();
  usedIds.add(id);
  return id;
}
