/**
 * Runs the calls of one turn: check the arguments, ask where the policy says so, execute. Neighbouring read-only calls run at once,
 * the others one after another; results come in the order of the calls, and every call gets exactly one.
 */
import { approveCall, auditDecision } from "./call-approval.ts";
import { executeCalls, interrupted } from "./call-execution.ts";
import type { CallOptions, CallOutcome, Prepared, ReadyCall } from "./call-options.ts";
import { redactData, redactNames, redactResult } from "./call-redaction.ts";
import { mapTexts, unescapeControlTokens } from "./control-tokens.ts";
import { freezeDeep, isDeeperThan } from "./digest.ts";
import type { AgentEvent } from "./events.ts";
import type { ToolMessage } from "./message.ts";
import type { ProposedCall } from "./model.ts";
import { findDoubt } from "./naming.ts";
import { NO_REDACTION } from "./redact.ts";
import { failure, toResultText, type ResultForm } from "./result.ts";
import type { Tool } from "./tool.ts";

/** Deeper arguments are nobody's honest wish, and most code that walks through data cannot walk through them. */
const MAX_LEVELS = 50;

export async function* runCalls(
  calls: readonly ProposedCall[],
  options: CallOptions,
): AsyncGenerator<AgentEvent, CallOutcome[]> {
  const { redactor = NO_REDACTION } = options;
  const events = runAll(calls, options);
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      yield redactNames(value, redactor);
    }
  } finally {
    // Whoever stops listening ends the calls too.
    await events.return([]);
  }
}

async function* runAll(
  calls: readonly ProposedCall[],
  options: CallOptions,
): AsyncGenerator<AgentEvent, CallOutcome[]> {
  const outcomes: CallOutcome[] = [];
  const written = new WrittenFiles();
  for (const group of groupCalls(calls, options.tools)) {
    let prepared: Prepared[] = [];
    for (const call of group) {
      const item = yield* prepareCall(call, written, options);
      prepared.push(item);
      if (!("ready" in item)) continue;
      written.note(item.ready);
      // What a person allowed starts at once, and not after further questions.
      if (item.ready.approvedAt !== undefined)
        outcomes.push(...(yield* finishCalls(prepared.splice(0), options)));
    }
    outcomes.push(...(yield* finishCalls(prepared, options)));
  }
  return outcomes;
}

/** Runs what is ready, and gives the results of all in the order of the calls. */
async function* finishCalls(
  prepared: readonly Prepared[],
  options: CallOptions,
): AsyncGenerator<AgentEvent, CallOutcome[]> {
  const results = yield* executeCalls(
    prepared.flatMap((item) => ("ready" in item ? [item.ready] : [])),
    options,
  );
  const outcomes: CallOutcome[] = [];
  for (const item of prepared) {
    const outcome = "outcome" in item ? item.outcome : (results.shift() as CallOutcome);
    outcomes.push(outcome);
    yield { type: "message_added", message: toToolMessage(outcome, options.results) };
  }
  return outcomes;
}

/** Files that the calls of this turn write, counted anew when a person has allowed to go on. */
class WrittenFiles {
  readonly #paths = new Set<string>();

  get count(): number {
    return this.#paths.size;
  }

  note({ call, tool, preview, approvedAt }: ReadyCall): void {
    if (tool.access !== "write") return;
    if (approvedAt !== undefined) this.#paths.clear();
    for (const path of preview?.writes ?? [`call ${call.id}`]) this.#paths.add(path);
  }
}

/** Neighbouring read-only calls together, every other call alone. */
function groupCalls(calls: readonly ProposedCall[], tools: readonly Tool[]): ProposedCall[][] {
  const groups: ProposedCall[][] = [];
  let reading = false;
  for (const call of calls) {
    const isRead = tools.find((tool) => tool.name === call.name)?.access === "read";
    if (isRead && reading) groups.at(-1)?.push(call);
    else groups.push([call]);
    reading = isRead;
  }
  return groups;
}

async function* prepareCall(
  call: ProposedCall,
  written: WrittenFiles,
  options: CallOptions,
): AsyncGenerator<AgentEvent, Prepared> {
  const { redactor = NO_REDACTION } = options;
  const tool = options.tools.find((candidate) => candidate.name === call.name);
  const proposed = call.arguments ?? call.raw;
  yield {
    type: "tool_proposed",
    callId: call.id,
    name: call.name,
    access: tool?.access ?? "unknown",
    arguments: redactor === NO_REDACTION ? proposed : redactData(proposed, redactor),
  };
  const checked = checkCall(call, tool, options);
  if ("error" in checked) {
    const error = redactor.text(checked.error);
    const decided = { decision: "refuse", why: error } as const;
    await auditDecision({ call, tool: { name: call.name }, input: call.raw }, decided, options);
    return yield* closed({ outcome: { call, result: failure(error), unusable: true } }, options);
  }
  if (options.signal.aborted)
    return yield* closed({ outcome: { call, result: interrupted(false), unusable: false } }, options);
  return yield* closed(yield* approveCall(checked.ready, written.count, options), options);
}

function checkCall(
  call: ProposedCall,
  tool: Tool | undefined,
  { tools, naming }: CallOptions,
): { ready: ReadyCall } | { error: string } {
  if (call.problem !== undefined) return { error: call.problem };
  if (tool === undefined) {
    const names = tools.map(({ name }) => name).join(", ");
    return { error: `There is no tool \`${call.name}\`. The tools are: ${names}.` };
  }
  if (isDeeperThan(call.arguments, MAX_LEVELS))
    return { error: `Invalid arguments: they are nested deeper than ${MAX_LEVELS} levels.` };
  // Results reach the model with their control tokens escaped; what it copies from them means the text itself.
  const parsed = tool.parse(mapTexts(call.arguments, unescapeControlTokens));
  if (!parsed.ok) return parsed;
  const doubt = naming === undefined ? undefined : findDoubt(tool, parsed.arguments, naming);
  if (doubt !== undefined) return { error: doubt };
  // Frozen, so that what runs is what was shown and decided about.
  return { ready: { call, tool, input: freezeDeep(parsed.arguments) } };
}

/** A call that ends before it ran still has a `tool_finished`. */
async function* closed(
  prepared: Prepared,
  { redactor = NO_REDACTION }: CallOptions,
): AsyncGenerator<AgentEvent, Prepared> {
  if ("ready" in prepared) return prepared;
  const { call } = prepared.outcome;
  const result = redactResult(prepared.outcome.result, redactor);
  yield { type: "tool_finished", callId: call.id, name: call.name, result, durationMs: 0 };
  return { outcome: { ...prepared.outcome, result } };
}

function toToolMessage({ call, result }: CallOutcome, form: ResultForm): ToolMessage {
  return { role: "tool", tool_call_id: call.id, content: toResultText(result, form) };
}
