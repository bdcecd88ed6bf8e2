/** Executes calls that may run: at once, each with its own output, and each ending soon after an abort. */
import { recordAfter, recordBefore } from "./call-changes.ts";
import type { CallOptions, CallOutcome, ReadyCall } from "./call-options.ts";
import { digestOf } from "./digest.ts";
import { AgentError, errorMessage } from "./errors.ts";
import type { AgentEvent } from "./events.ts";
import { redactData, redactResult } from "./call-redaction.ts";
import { NO_REDACTION, type RedactedStream, type Redactor } from "./redact.ts";
import { failure } from "./result.ts";
import { merge } from "./stream.ts";
import type { Tool, ToolEvent, ToolResult } from "./tool.ts";

/** How long an aborted tool may take to stop before its result is written without it. */
const ABORT_GRACE_MS = 3_000;
/** Output waiting to be shown; more is dropped from the front, since the whole of it is in the result. */
const SHOWN_OUTPUT_CHARS = 64_000;
/** From the answer of a person to the start of the call that they allowed. */
const APPROVAL_MS = 5 * 60_000;

export async function* executeCalls(
  ready: readonly ReadyCall[],
  options: CallOptions,
): AsyncGenerator<AgentEvent, CallOutcome[]> {
  yield* recordBefore(ready, options);
  const tasks = ready.map((item) => (emit: (event: AgentEvent) => void) => executeOne(item, options, emit));
  return yield* merge(tasks, joinOutput);
}

async function executeOne(
  item: ReadyCall,
  options: CallOptions,
  emit: (event: AgentEvent) => void,
): Promise<CallOutcome> {
  const { call, tool } = item;
  const { redactor = NO_REDACTION, now, memory } = options;
  const startedAt = now();
  const expired = isExpired(item, startedAt);
  if (!expired) emit({ type: "tool_started", callId: call.id, name: tool.name });
  const output = redactor.stream();
  const recalled = expired ? undefined : memory?.recall(call, tool.access);
  const raw = expired
    ? failure("denied: the permission for this call is older than five minutes; make the call again")
    : (recalled?.result ??
      (await executeCall(item, options, (event) => emitRedacted(event, { call, redactor, output, emit }))));
  const rest = output.end();
  if (rest !== "") emit({ type: "tool_output", callId: call.id, text: rest });
  const result = redactResult(raw, redactor);
  const durationMs = now() - startedAt;
  await recordAfter(item, options, emit);
  emit({ type: "tool_finished", callId: call.id, name: tool.name, result, durationMs });
  await auditEnd(item, result, options);
  if (recalled) return { call, result, unusable: false, access: tool.access, recalled: recalled.signature };
  if (expired) return { call, result, unusable: false, denied: "person" };
  memory?.noteEnd(call, { access: tool.access, result, turn: options.turn });
  const denied = isUnattended(tool, result) ? { denied: "unattended" as const } : {};
  return { call, result, unusable: false, access: tool.access, ...denied };
}

/** A tool of our own had a question to the user, and nobody was there. */
function isUnattended({ access }: Tool, result: ToolResult): boolean {
  return access === "control" && !result.ok && result["unattended"] === true;
}

/** A clock that jumps either way makes an approval old, never young. */
function isExpired({ approvedAt }: ReadyCall, now: number): boolean {
  return approvedAt !== undefined && Math.abs(now - approvedAt) > APPROVAL_MS;
}

interface Emission {
  call: { id: string };
  redactor: Redactor;
  output: RedactedStream;
  emit: (event: AgentEvent) => void;
}

function emitRedacted(event: ToolEvent, { call, redactor, output, emit }: Emission): void {
  if (event.type === "warning") {
    emit({ type: "warning", code: "workspace_guard", message: redactor.text(event.message) });
  } else if (event.type === "output") {
    const text = output.push(event.text);
    if (text !== "") emit({ type: "tool_output", callId: call.id, text });
  } else {
    emit(redactor === NO_REDACTION ? event : (redactData(event, redactor) as typeof event));
  }
}

async function auditEnd({ tool, input, call, preview }: ReadyCall, result: ToolResult, options: CallOptions) {
  if (options.audit === undefined) return;
  const { redactor = NO_REDACTION } = options;
  const { exit_code: exitCode } = result;
  await options.audit({
    type: "ended",
    callId: redactor.text(call.id),
    tool: redactor.text(tool.name),
    digest: await digestOf({ tool: tool.name, input }),
    mode: options.mode(),
    ok: result.ok,
    ...(preview?.place === undefined ? {} : { sandbox: preview.place.backend }),
    ...(typeof exitCode === "number" ? { exitCode } : {}),
  });
}

async function executeCall(
  { call, tool, input }: ReadyCall,
  options: CallOptions,
  emit: (event: ToolEvent) => void,
): Promise<ToolResult> {
  const { signal, results } = options;
  if (signal.aborted) return interrupted(false);
  options.memory?.noteStart(tool.access);
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

/** How the failure of a tool that threw something unexpected begins. */
export const INTERNAL_ERROR = "internal error in the tool";

/** A tool reports broken environments with an `AgentError`; anything else thrown is a bug, and is said to be one. */
export function toFailure(error: unknown): ToolResult {
  if (AgentError.is(error)) return failure(error.message);
  return failure(`${INTERNAL_ERROR}: ${errorMessage(error)}`);
}

function joinOutput(waiting: AgentEvent, event: AgentEvent): AgentEvent | undefined {
  if (waiting.type !== "tool_output" || event.type !== "tool_output" || waiting.callId !== event.callId)
    return undefined;
  return { ...waiting, text: (waiting.text + event.text).slice(-SHOWN_OUTPUT_CHARS) };
}
