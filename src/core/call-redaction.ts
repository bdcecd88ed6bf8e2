import type { ApprovalRequest } from "./approval.ts";
import type { AgentEvent } from "./events.ts";
import { NO_REDACTION, type Redactor } from "./redact.ts";
import type { CallPreview, ToolResult } from "./tool.ts";

/** Deeper data is shown to nobody and sent nowhere. */
const MAX_LEVELS = 100;

/** A copy of plain data without the secrets in its texts, keys included. */
export function redactData(value: unknown, redactor: Redactor, levels = MAX_LEVELS): unknown {
  if (typeof value === "string") return redactor.text(value);
  if (typeof value !== "object" || value === null) return value;
  if (levels === 0) return "[nested too deeply]";
  if (Array.isArray(value)) return value.map((item) => redactData(item, redactor, levels - 1));
  const entries = Object.entries(value).map(([key, field]) => [
    redactor.text(key),
    redactData(field, redactor, levels - 1),
  ]);
  return Object.fromEntries(entries);
}

export function redactResult(result: ToolResult, redactor: Redactor): ToolResult {
  return redactor === NO_REDACTION ? result : (redactData(result, redactor) as ToolResult);
}

/** What a person is shown of a call. Its digest stands for the call as it is, secrets included. */
export function redactRequest(request: ApprovalRequest, redactor: Redactor): ApprovalRequest {
  if (redactor === NO_REDACTION) return request;
  return {
    ...request,
    callId: redactor.text(request.callId),
    tool: redactor.text(request.tool),
    arguments: redactData(request.arguments, redactor) as ApprovalRequest["arguments"],
    preview: redactData(request.preview, redactor) as CallPreview,
    why: redactor.text(request.why),
  };
}

/** The ids and names of calls are words of the model too. Everything else in an event is redacted where it is made. */
export function redactNames(event: AgentEvent, redactor: Redactor): AgentEvent {
  if (redactor === NO_REDACTION || !("callId" in event)) return event;
  const callId = redactor.text(event.callId);
  if (!("name" in event)) return { ...event, callId };
  return { ...event, callId, name: redactor.text(event.name) };
}
