/** Errors in OpenAI's shape (https://platform.openai.com/docs/guides/error-codes), each with a status that clients retry or not. */
import { AgentError, errorMessage } from "../core/errors.ts";

export interface ApiError {
  status: 400 | 401 | 403 | 404 | 405 | 413 | 500 | 503;
  body: {
    error: {
      message: string;
      type: string;
      param: string | null;
      code: string | null;
      [extra: string]: unknown;
    };
  };
  headers: Readonly<Record<string, string>>;
}

export interface ApiErrorOptions {
  type?: string;
  code?: string;
  param?: string;
  extra?: Readonly<Record<string, unknown>>;
  headers?: Readonly<Record<string, string>>;
}

export function toApiError(
  status: ApiError["status"],
  message: string,
  options: ApiErrorOptions = {},
): ApiError {
  const { type = "invalid_request_error", code = null, param = null, extra = {}, headers = {} } = options;
  return { status, body: { error: { message, type, param, code, ...extra } }, headers };
}

/** Tells OpenAI's clients that trying again cannot help. */
const PERMANENT = { "x-should-retry": "false" };

/** Anything thrown while a request was served. */
export function fromThrown(thrown: unknown): ApiError {
  const message = errorMessage(thrown);
  if (AgentError.is(thrown, "context_overflow")) {
    const { promptTokens, contextTokens } = thrown.data;
    return toApiError(400, message, {
      code: "context_length_exceeded",
      param: "messages",
      extra: { n_prompt_tokens: promptTokens, n_ctx: contextTokens },
    });
  }
  if (AgentError.is(thrown, "model_rejected"))
    return toApiError(400, message, { param: "messages", code: "template_error" });
  switch (AgentError.is(thrown, "engine_failed") ? thrown.data["reason"] : undefined) {
    case "load_failed":
      return toApiError(400, message, { code: "model_load_failed", headers: PERMANENT });
    case "invalid_request":
      return toApiError(400, message);
    case "queue_full":
      return toApiError(503, message, {
        type: "server_error",
        code: "queue_full",
        headers: { "retry-after": "1" },
      });
    case "crashed":
      return toApiError(500, message, { type: "server_error", code: "engine_crashed" });
    default:
      return toApiError(500, message, { type: "server_error", code: "internal_error" });
  }
}
