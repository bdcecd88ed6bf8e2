/** What a `llama-server` answers instead of a result, as an error of an engine. */
import { AgentError } from "../../core/errors.ts";
import { engineFailed } from "../engine-failure.ts";
import type { EngineFailureCode } from "../protocol.ts";
import { toFields, toNumber, toText } from "./fields.ts";

/** `error.type` of llama.cpp's server (tools/server/README.md, `format_error_response`). */
const REASONS: Readonly<Record<string, EngineFailureCode>> = {
  invalid_request_error: "invalid_request",
  not_supported_error: "unsupported",
};

/** `json`: the body, or the frame of a stream that was begun already. */
export function refusalToError(baseUrl: string, status: number, json: unknown): AgentError {
  const error = toFields(toFields(json)["error"]);
  const type = toText(error["type"]) ?? "";
  const said = (toText(error["message"]) ?? "").slice(0, 1_000);
  const promptTokens = toNumber(error["n_prompt_tokens"]);
  const contextTokens = toNumber(error["n_ctx"]);
  if (type === "exceed_context_size_error" && promptTokens !== undefined && contextTokens !== undefined)
    return contextOverflow(promptTokens, contextTokens);
  if (status === 401 || type === "authentication_error")
    return engineFailed(
      "generation_failed",
      `The llama-server at \`${baseUrl}\` does not take this API key.`,
      {
        url: baseUrl,
        status,
      },
    );
  const why = said === "" ? `answered with status ${status}` : `refused: ${said}`;
  return engineFailed(REASONS[type] ?? "generation_failed", `The llama-server at \`${baseUrl}\` ${why}`, {
    url: baseUrl,
    status,
  });
}

export function contextOverflow(promptTokens: number, contextTokens: number): AgentError {
  const message = `This model's maximum context length is ${contextTokens} tokens. However, your messages resulted in ${promptTokens} tokens. Shorten the messages or the tool list.`;
  return new AgentError("context_overflow", message, { data: { promptTokens, contextTokens } });
}
