import type { ApiError } from "../http/errors.ts";

/**
 * Errors below `/api/v1`: LM Studio's kinds of them (https://lmstudio.ai/docs/developer/rest/streaming-events), with the fields that
 * OpenAI's clients read.
 */
export function toLmStudioBody(error: ApiError): { error: object } {
  const { message, param, code, extra } = error;
  return { error: { type: toType(error), message, code, param, ...extra } };
}

function toType({ status, code }: ApiError): string {
  if (code === "model_not_found" || code === "job_not_found") return code;
  if (code === "unsupported") return "not_implemented";
  return status < 500 ? "invalid_request" : "internal_error";
}
