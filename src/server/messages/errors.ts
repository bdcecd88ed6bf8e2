/** Errors in Anthropic's shape (https://docs.claude.com/en/api/errors). */
import { AgentError } from "../../core/errors.ts";
import { ApiFailure, fromThrown, renameField, toApiError } from "../http/errors.ts";
import type { ApiError } from "../http/errors.ts";

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  529: "overloaded_error",
};

export function toAnthropicBody({ status, message, extra }: ApiError): { type: "error"; error: object } {
  const type = TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
  const { details } = extra;
  return { type: "error", error: { type, message, ...(details === undefined ? {} : { details }) } };
}

/**
 * The words and the status that Anthropic's clients look for: `prompt is too long` makes Claude Code shorten the conversation, and
 * only a full queue is an overload, which is tried again after `retry-after`.
 */
export function toAnthropicFailure(thrown: unknown): ApiFailure {
  if (AgentError.is(thrown, "context_overflow")) {
    const { promptTokens, contextTokens } = thrown.data;
    const message = `prompt is too long: ${String(promptTokens)} tokens > ${String(contextTokens)} maximum`;
    return new ApiFailure(toApiError(400, message, { code: "context_length_exceeded" }));
  }
  const error = renameField(fromThrown(thrown), "messages");
  return new ApiFailure(error.code === "queue_full" ? { ...error, status: 529 } : error);
}
