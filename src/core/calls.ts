/**
 * Runs the calls of one turn: check the arguments, ask where the mode says so, execute. Neighbouring read-only calls run at once,
 * the others one after another; results come in the order of the calls, and every call gets exactly one.
 */
import type { Approver, PermissionMode } from "./approval.ts";
import { AgentError, errorMessage } from "./errors.ts";
import type { AgentEvent } from "./events.ts";
import type { ToolMessage } from "./message.ts";
import type { ProposedCall } from "./model.ts";
import { decidePermission } from "./permission.ts";
import { failure, toResultText, type ResultForm } from "./result.ts";
import { merge } from "./stream.ts";
import type { CallPreview, Tool, ToolEvent, ToolResult } from "./tool.ts";

/** How long an aborted tool may take to stop before its result is written without it. */
const ABORT_GRACE_MS = 3_000;
/** Output waiting to be shown; more is dropped from the front, since the whole of it is in the result. */
const SHOWN_OUTPUT_CHARS = 64_000;

export interface CallOptions {
  tools: readonly Tool[];
  mode: () => PermissionMode;
  approver: Approver;
  /** How results reach the model. */
  results: ResultForm;
  /** The request, when only what it plainly asks for may be changed (`namedPathsOnly` of a profile). */
  request?: string | undefined;
  signal: AbortSignal;
  now: () => number;
}

export interface CallOutcome {
  call: ProposedCall;
  result: ToolResult;
  /** The call never ran, because it could not be used at all. */
  unusable: boolean;
  /** The call was refused by a person, by the mode, or because nobody was there. */
  denied?: "person" | "mode" | "unattended";
}

interface ReadyCall {
  call: ProposedCall;
  tool: Tool;
  input: unknown;
}

type Prepared = { ready: ReadyCall } | { outcome: CallOutcome };

export async function* runCalls(
  calls: readonly ProposedCall[],
  options: CallOptions,
): AsyncGenerator<AgentEvent, CallOutcome[]> {
  const outcomes: CallOutcome[] = [];
  for (const group of groupCalls(calls, options.tools)) {
    const prepared: Prepared[] = [];
    for (const call of group) prepared.push(yield* prepareCall(call, options));
    const results = yield* executeCalls(
      prepared.flatMap((item) => ("ready" in item ? [item.ready] : [])),
      options,
    );
    for (const item of prepared) {
      const outcome = "outcome" in item ? item.outcome : (results.shift() as CallOutcome);
      outcomes.push(outcome);
      yield { type: "message_added", message: toToolMessage(outcome, options.results) };
    }
  }
  return outcomes;
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

async function* prepareCall(call: ProposedCall, options: CallOptions): AsyncGenerator<AgentEvent, Prepared> {
  const tool = options.tools.find((candidate) => candidate.name === call.name);
  yield {
    type: "tool_proposed",
    callId: call.id,
    name: call.name,
    access: tool?.access ?? "unknown",
    arguments: call.arguments ?? call.raw,
  };
  const unusable = (error: string): Prepared => ({
    outcome: { call, result: failure(error), unusable: true },
  });
  if (call.problem !== undefined) return yield* closed(unusable(call.problem));
  if (tool === undefined) {
    const names = options.tools.map(({ name }) => name).join(", ");
    return yield* closed(unusable(`There is no tool \`${call.name}\`. The tools are: ${names}.`));
  }
  const parsed = tool.parse(call.arguments);
  if (!parsed.ok) return yield* closed(unusable(parsed.error));
  const doubt =
    options.request === undefined ? undefined : findDoubt(tool, parsed.arguments, options.request);
  if (doubt !== undefined) return yield* closed(unusable(doubt));
  if (options.signal.aborted)
    return yield* closed({ outcome: { call, result: interrupted(false), unusable: false } });
  return yield* approveCall({ call, tool, input: parsed.arguments }, options);
}

const NEGATION = /\b(?:not|never|don(?:'|’)?t|without|instead of)\b/i;

/** Why a changing call is not what the request asks for: its path does not stand there, or the request says not to. */
function findDoubt(tool: Tool, input: unknown, request: string): string | undefined {
  const { path, content, old } = input as Record<string, unknown>;
  const isChange = tool.access === "write" || tool.access === "execute";
  if (!isChange) return undefined;
  const own = [content, old]
    .filter((text) => typeof text === "string")
    .reduce((rest, text) => rest.replaceAll(text, ""), request);
  if (NEGATION.test(own))
    return "The request says what not to do, which this model does not understand; nothing was changed.";
  if (tool.access !== "write" || typeof path !== "string") return undefined;
  const known = path.split("/").every((part) => part === "" || part === "." || request.includes(part));
  return known ? undefined : `The request does not name \`${path}\`, so it was left alone.`;
}

async function* approveCall(ready: ReadyCall, options: CallOptions): AsyncGenerator<AgentEvent, Prepared> {
  const { call, tool, input } = ready;
  const denied = (error: string, by: "person" | "mode" | "unattended"): Prepared => ({
    outcome: { call, result: failure(error), unusable: false, denied: by },
  });
  let preview: CallPreview;
  try {
    preview = await tool.preview(input);
  } catch (error) {
    return yield* closed({ outcome: { call, result: toFailure(error), unusable: false } });
  }
  const permission = decidePermission(options.mode(), tool.access, preview);
  if (permission.decision === "run") return { ready };
  if (permission.decision === "refuse") return yield* closed(denied(`refused: ${permission.why}`, "mode"));
  const request = {
    callId: call.id,
    tool: tool.name,
    arguments: call.arguments ?? {},
    preview,
    why: permission.why,
  };
  yield { type: "approval_requested", request };
  const decision = await askOrDeny(options.approver.ask(request, { signal: options.signal }));
  yield { type: "approval_resolved", callId: call.id, decision };
  if (decision.decision === "allow") return { ready };
  if (options.signal.aborted)
    return yield* closed({ outcome: { call, result: interrupted(false), unusable: false } });
  if (decision.unattended)
    return yield* closed(
      denied(`denied: nobody is there to allow this call (${permission.why})`, "unattended"),
    );
  return yield* closed(
    denied(decision.note ? `denied by user: ${decision.note}` : "denied by user", "person"),
  );
}

/** An approver that breaks is a denial, never a permission. */
async function askOrDeny(answer: ReturnType<Approver["ask"]>): ReturnType<Approver["ask"]> {
  try {
    return await answer;
  } catch {
    return { decision: "deny", unattended: true };
  }
}

/** A call that ends before it ran still has a `tool_finished`. */
async function* closed(prepared: Prepared): AsyncGenerator<AgentEvent, Prepared> {
  if ("outcome" in prepared) {
    const { call, result } = prepared.outcome;
    yield { type: "tool_finished", callId: call.id, name: call.name, result, durationMs: 0 };
  }
  return prepared;
}

async function* executeCalls(
  ready: readonly ReadyCall[],
  options: CallOptions,
): AsyncGenerator<AgentEvent, CallOutcome[]> {
  const tasks = ready.map((item) => async (emit: (event: AgentEvent) => void): Promise<CallOutcome> => {
    const { call, tool } = item;
    const startedAt = options.now();
    emit({ type: "tool_started", callId: call.id, name: tool.name });
    const result = await executeCall(item, options, (event) => emit(toAgentEvent(call.id, event)));
    emit({
      type: "tool_finished",
      callId: call.id,
      name: tool.name,
      result,
      durationMs: options.now() - startedAt,
    });
    return { call, result, unusable: false };
  });
  return yield* merge(tasks, joinOutput);
}

async function executeCall(
  { call, tool, input }: ReadyCall,
  options: CallOptions,
  emit: (event: ToolEvent) => void,
): Promise<ToolResult> {
  const { signal, results } = options;
  if (signal.aborted) return interrupted(false);
  const abort = afterAbort(signal);
  try {
    return await Promise.race([
      tool.execute(input, { callId: call.id, signal, resultBytes: results.maxBytes, emit }),
      abort.settled,
    ]);
  } catch (error) {
    return signal.aborted ? interrupted(true) : toFailure(error);
  } finally {
    abort.dispose();
  }
}

/** Settles a while after an abort, so that a tool that ignores it cannot hold up the run. */
function afterAbort(signal: AbortSignal): { settled: Promise<ToolResult>; dispose: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dispose = (): void => {};
  const settled = new Promise<ToolResult>((resolve) => {
    const start = (): void => {
      timer = setTimeout(() => resolve(interrupted(true)), ABORT_GRACE_MS);
    };
    signal.addEventListener("abort", start, { once: true });
    dispose = () => {
      signal.removeEventListener("abort", start);
      clearTimeout(timer);
    };
  });
  return { settled, dispose };
}

export function interrupted(started: boolean): ToolResult {
  return failure(
    started
      ? "interrupted: the call was stopped and may have partly happened"
      : "interrupted: the call did not run",
  );
}

/** A tool reports broken environments with an `AgentError`; anything else thrown is a bug, and is said to be one. */
function toFailure(error: unknown): ToolResult {
  if (AgentError.is(error)) return failure(error.message);
  return failure(`internal error in the tool: ${errorMessage(error)}`);
}

function toAgentEvent(callId: string, event: ToolEvent): AgentEvent {
  return event.type === "output" ? { type: "tool_output", callId, text: event.text } : event;
}

function joinOutput(waiting: AgentEvent, event: AgentEvent): AgentEvent | undefined {
  if (waiting.type !== "tool_output" || event.type !== "tool_output" || waiting.callId !== event.callId)
    return undefined;
  return { ...waiting, text: (waiting.text + event.text).slice(-SHOWN_OUTPUT_CHARS) };
}

function toToolMessage({ call, result }: CallOutcome, form: ResultForm): ToolMessage {
  return { role: "tool", tool_call_id: call.id, content: toResultText(result, form) };
}
