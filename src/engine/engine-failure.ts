import { AgentError } from "../core/errors.ts";
import type { EngineFailureCode } from "./protocol.ts";

/** An `engine_failed` with its reason. */
export function engineFailed(
  reason: EngineFailureCode,
  message: string,
  data: Readonly<Record<string, unknown>> = {},
): AgentError {
  return new AgentError("engine_failed", message, { data: { ...data, reason } });
}

/** Why an engine failed; `undefined` for anything else that was thrown. */
export function failureReason(thrown: unknown): EngineFailureCode | undefined {
  return AgentError.is(thrown, "engine_failed") ? (thrown.data["reason"] as EngineFailureCode) : undefined;
}
