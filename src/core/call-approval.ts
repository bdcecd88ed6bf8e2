/** Decides whether one call may run: by the policy and, where it says so, by a person. */
import type { ApprovalDecision, ApprovalRequest, RememberedCalls } from "./approval.ts";
import type { AuditRecord } from "./audit.ts";
import { interrupted, toFailure } from "./call-execution.ts";
import type { CallOptions, CallOutcome, Prepared, ReadyCall } from "./call-options.ts";
import { redactRequest } from "./call-redaction.ts";
import { digestOf, freezeDeep, toHex } from "./digest.ts";
import { errorMessage } from "./errors.ts";
import type { AgentEvent } from "./events.ts";
import { modePolicy, type PermissionDecision } from "./permission.ts";
import { NO_REDACTION } from "./redact.ts";
import { failure } from "./result.ts";
import type { CallPreview } from "./tool.ts";

type Asked = Extract<PermissionDecision, { decision: "ask" }>;
type Previewed = ReadyCall & { preview: CallPreview };

export async function* approveCall(
  ready: ReadyCall,
  writesInTurn: number,
  options: CallOptions,
): AsyncGenerator<AgentEvent, Prepared> {
  const { call, tool, input } = ready;
  let preview: CallPreview;
  try {
    preview = await tool.preview(input);
  } catch (error) {
    return { outcome: { call, result: toFailure(error), unusable: false } };
  }
  const previewed: Previewed = { ...ready, preview };
  let permission: PermissionDecision;
  try {
    permission = await (options.policy ?? modePolicy).decide({
      tool: tool.name,
      access: tool.access,
      input,
      preview,
      mode: options.mode(),
      writesInTurn,
      turn: options.turn,
    });
  } catch (error) {
    // What cannot be decided does not run.
    return { outcome: { call, result: toFailure(error), unusable: false } };
  }
  const rule = permission.rule === undefined ? {} : { rule: permission.rule };
  const by = permission.rule === undefined ? "mode" : "rule";
  if (permission.decision === "ask") return yield* askPerson(previewed, permission, options);
  if (permission.decision === "run") {
    await auditDecision(previewed, { decision: "run", by, ...rule }, options);
    return { ready: previewed };
  }
  await auditDecision(previewed, { decision: "refuse", by, why: permission.why, ...rule }, options);
  return denied(previewed, `refused: ${permission.why}`, "mode");
}

async function* askPerson(
  ready: Previewed,
  permission: Asked,
  options: CallOptions,
): AsyncGenerator<AgentEvent, Prepared> {
  const { call } = ready;
  const request = await toRequest(ready, permission, options);
  yield { type: "approval_requested", request };
  const decision = await askOrDeny(request, options);
  yield { type: "approval_resolved", callId: call.id, decision };
  const allowed = decision.decision === "allow";
  const unattended = decision.decision === "deny" && decision.unattended === true;
  const { why, rule } = permission;
  await auditDecision(
    ready,
    {
      decision: allowed ? "run" : "refuse",
      by: unattended ? "unattended" : "person",
      why,
      ...(rule === undefined ? {} : { rule }),
    },
    options,
  );
  if (decision.decision === "allow") {
    const approvedAt = options.now();
    if (decision.remember !== undefined && request.offer !== undefined)
      yield* remember(request.offer, decision.remember, options);
    return { ready: { ...ready, approvedAt } };
  }
  if (options.signal.aborted) return { outcome: { call, result: interrupted(false), unusable: false } };
  if (unattended) return denied(ready, `denied: nobody is there to allow this call (${why})`, "unattended");
  return denied(ready, decision.note ? `denied by user: ${decision.note}` : "denied by user", "person");
}

async function toRequest(
  { call, tool, input, preview }: Previewed,
  { why, offer }: Asked,
  options: CallOptions,
): Promise<ApprovalRequest> {
  const request: ApprovalRequest = {
    callId: call.id,
    tool: tool.name,
    arguments: input as ApprovalRequest["arguments"],
    preview,
    why,
    digest: await digestOf({
      // Ids of calls, and turns, come again in later runs of a session; an answer must not.
      once: toHex(crypto.getRandomValues(new Uint8Array(16))),
      session: options.sessionId,
      turn: options.turn,
      callId: call.id,
      tool: tool.name,
      input,
    }),
  };
  const { redactor = NO_REDACTION } = options;
  // Nothing is kept that holds a secret.
  const keeps =
    offer !== undefined &&
    [offer.tool, ...(offer.prefix ?? [])].every((word) => redactor.text(word) === word);
  return freezeDeep({ ...redactRequest(request, redactor), ...(keeps ? { offer } : {}) });
}

/** An approver that breaks, hangs while the run is stopped, or answers something else is a denial, never a permission. */
async function askOrDeny(
  request: ApprovalRequest,
  { approver, signal }: CallOptions,
): Promise<ApprovalDecision> {
  const aborted = onAbort(signal);
  try {
    const answer: unknown = await Promise.race([approver.ask(request, { signal }), aborted.promise]);
    return toDecision(answer, request);
  } catch {
    return { decision: "deny", unattended: true };
  } finally {
    aborted.dispose();
  }
}

function toDecision(answer: unknown, { digest, offer }: ApprovalRequest): ApprovalDecision {
  const decision = (answer ?? {}) as Record<string, unknown>;
  if (decision["decision"] === "allow") {
    if (decision["digest"] !== digest)
      return { decision: "deny", note: "the answer was for another call", unattended: true };
    const scope = decision["remember"];
    const isOffered = offer !== undefined && (scope === "session" || scope === "workspace");
    return { decision: "allow", digest, ...(isOffered ? { remember: scope } : {}) };
  }
  const { note } = decision;
  if (decision["decision"] !== "deny" || decision["unattended"] === true)
    return { decision: "deny", unattended: true };
  return { decision: "deny", ...(typeof note === "string" ? { note } : {}) };
}

function onAbort(signal: AbortSignal): { promise: Promise<undefined>; dispose: () => void } {
  let dispose = (): void => {};
  const promise = new Promise<undefined>((resolve) => {
    const stop = (): void => resolve(undefined);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    dispose = () => signal.removeEventListener("abort", stop);
  });
  return { promise, dispose };
}

/** The call runs also when the answer could not be kept: it was allowed this once in any case. */
async function* remember(
  offer: RememberedCalls,
  scope: "session" | "workspace",
  { policy = modePolicy, redactor = NO_REDACTION }: CallOptions,
): AsyncGenerator<AgentEvent> {
  try {
    await policy.remember(offer, scope);
  } catch (error) {
    const message = redactor.text(`The answer holds for this call only: ${errorMessage(error)}`);
    yield { type: "warning", code: "approval_not_kept", message };
  }
}

function denied({ call }: ReadyCall, error: string, by: NonNullable<CallOutcome["denied"]>): Prepared {
  return { outcome: { call, result: failure(error), unusable: false, denied: by } };
}

type Decided = Pick<AuditRecord, "decision" | "by" | "why" | "rule">;

export async function auditDecision(
  { call, tool, input }: { call: ReadyCall["call"]; tool: { name: string }; input: unknown },
  decided: Decided,
  { audit, mode, redactor = NO_REDACTION }: CallOptions,
): Promise<void> {
  if (audit === undefined) return;
  await audit({
    type: "decided",
    callId: redactor.text(call.id),
    tool: redactor.text(tool.name),
    digest: await digestOf({ tool: tool.name, input }),
    mode: mode(),
    ...decided,
    ...(decided.why === undefined ? {} : { why: redactor.text(decided.why) }),
  });
}
