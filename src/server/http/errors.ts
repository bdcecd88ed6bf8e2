/** What goes wrong with a request, before a dialect gives it its own shape; each has a status that clients retry or not. */
import { AgentError, errorMessage } from "../../core/errors.ts";

export interface ApiError {
  /** 529 is Anthropic's word for a full queue. */
  status: 400 | 401 | 403 | 404 | 405 | 413 | 429 | 500 | 503 | 529;
  message: string;
  /** OpenAI's kinds: `invalid_request_error`, `server_error` … */
  type: string;
  param: string | null;
  code: string | null;
  /** More fields beside these, such as the counts of an overflow. */
  extra: Readonly<Record<string, unknown>>;
  headers: Readonly<Record<string, string>>;
}

export type ApiErrorOptions = Partial<Omit<ApiError, "status" | "message">>;

export function toApiError(
  status: ApiError["status"],
  message: string,
  options: ApiErrorOptions = {},
): ApiError {
  const { type = "invalid_request_error", code = null, param = null, extra = {}, headers = {} } = options;
  return { status, message, type, param, code, extra, headers };
}

/** OpenAI's shape (https://platform.openai.com/docs/guides/error-codes), which most clients read. */
export function toOpenAiBody({ message, type, param, code, extra }: ApiError): { error: object } {
  return { error: { message, type, param, code, ...extra } };
}

/** Thrown where a request turns out wrong; whoever serves it turns it into the dialect's shape. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  readonly error: ApiError;

  constructor(error: ApiError) {
    super(error.message);
    this.error = error;
  }
}

/** Places in the messages of a chat are none that a client of another dialect sent; `field` is where it said all of them. */
export function renameField(error: ApiError, field: string): ApiError {
  const { param, message } = error;
  if (param === null || !/^messages(\.|$)/.test(param)) return error;
  return { ...error, param: field, message: message.replaceAll(`\`${param}\``, `\`${field}\``) };
}

/** Tells OpenAI's clients that trying again cannot help. */
export const PERMANENT = { "x-should-retry": "false" };

/** Agents look for OpenAI's words to know that they have to make the conversation shorter. */
function toOverflowMessage({ data, message }: AgentError): string {
  const { promptTokens, contextTokens } = data;
  if (typeof contextTokens !== "number" || message.startsWith("This model's maximum context length is"))
    return message;
  const had = typeof promptTokens === "number" ? ` However, the request has ${promptTokens} tokens.` : "";
  return `This model's maximum context length is ${contextTokens} tokens.${had} Make it shorter, or load the model with a larger context.`;
}

/** Anything thrown while a request was served. */
export function fromThrown(thrown: unknown): ApiError {
  if (thrown instanceof ApiFailure) return thrown.error;
  const message = errorMessage(thrown);
  if (AgentError.is(thrown, "context_overflow")) {
    const { promptTokens, contextTokens } = thrown.data;
    return toApiError(400, toOverflowMessage(thrown), {
      code: "context_length_exceeded",
      param: "messages",
      extra: { n_prompt_tokens: promptTokens, n_ctx: contextTokens },
    });
  }
  if (AgentError.is(thrown, "model_rejected"))
    return toApiError(400, message, { param: "messages", code: "template_error" });
  if (AgentError.is(thrown, "server_failed")) return toApiError(400, message, { code: "server_failed" });
  const data = AgentError.is(thrown, "engine_failed") ? thrown.data : {};
  switch (data["reason"]) {
    case "model_not_found":
      return toApiError(404, message, { code: "model_not_found", param: "model", headers: PERMANENT });
    case "load_failed":
      return toApiError(400, message, { code: "model_load_failed", headers: PERMANENT });
    case "insufficient_memory":
      return toApiError(400, message, {
        code: "insufficient_memory",
        headers: PERMANENT,
        extra: { required_bytes: data["requiredBytes"], available_bytes: data["availableBytes"] },
      });
    case "invalid_request":
      return toApiError(400, message);
    case "unsupported":
      return toApiError(400, message, { code: "unsupported", headers: PERMANENT });
    case "queue_full":
      return toApiError(429, message, {
        type: "server_error",
        code: "queue_full",
        headers: { "retry-after": "1" },
      });
    case "crashed":
      return toApiError(500, message, { type: "server_error", code: "engine_crashed" });
    case "unloaded":
      return toApiError(503, message, {
        type: "server_error",
        code: "model_unloaded",
        headers: { "retry-after": "1" },
      });
    default:
      return toApiError(500, message, { type: "server_error", code: "internal_error" });
  }
}
