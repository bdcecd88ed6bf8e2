import type { ErrorCode } from "../core/errors.ts";
import { AgentError } from "../core/errors.ts";
import { toObject } from "./json.ts";
import { isContextOverflow, overflowCounts } from "./overflow.ts";
import type { OptionalField } from "./request-fields.ts";
import { OPTIONAL_FIELDS } from "./request-fields.ts";

/** What a server said instead of a reply: a status of 400 or more, or an error inside a stream (status 200). */
export interface ServerError {
  status: number;
  message: string;
  /** Type and code together, in lower case. */
  kind: string;
  promptTokens?: number;
  contextTokens?: number;
}

const SHOWN_CHARS = 400;
/** Patterns are looked for in so much of an answer; a hostile one may be endless. */
const READ_CHARS = 4_000;

/** Reads the bodies of OpenAI, llama-server, LM Studio (strings), vLLM, Ollama and Anthropic, and pages of HTML. */
export function parseServerError(
  status: number,
  body: string | Readonly<Record<string, unknown>>,
): ServerError {
  const document = typeof body === "string" ? parseJson(body) : body;
  if (!document) {
    const text = body as string;
    return {
      status,
      message: toLine(text, READ_CHARS) || `HTTP status ${status}`,
      kind: "",
      ...overflowCounts(text),
    };
  }
  const inner = document["error"] ?? document["detail"] ?? document;
  const error = toObject(inner);
  const text = typeof inner === "string" ? inner : (error["message"] ?? error["msg"] ?? document["message"]);
  const message = typeof text === "string" && text !== "" ? text : JSON.stringify(inner);
  const prompt = toCount(error["n_prompt_tokens"]);
  const context = toCount(error["n_ctx"]);
  const code = typeof error["code"] === "number" && status === 200 ? error["code"] : status;
  return {
    status: code,
    message: toLine(message, READ_CHARS),
    kind: [error["type"], error["code"]]
      .filter((part) => typeof part === "string")
      .join(" ")
      .toLowerCase(),
    ...overflowCounts(message),
    ...(prompt === undefined ? {} : { promptTokens: prompt }),
    ...(context === undefined ? {} : { contextTokens: context }),
  };
}

/** A server that says so becomes ready by itself. */
export function isLoading({ status, message, kind }: ServerError): boolean {
  return (
    status === 503 &&
    (/loading|warming|starting|not ready/i.test(message) || kind.includes("unavailable_error"))
  );
}

/** Will be the same next time, whatever the status says. */
const PERMANENT =
  /failed to parse (?:grammar|tools|messages)|grammar|jinja|template|unexpected endpoint|system (?:message|role)|roles must alternate|requires more system memory|not support|unknown model|model .{0,80}not found|failed to load/i;

export function isRetryable(error: ServerError): boolean {
  const { status, message } = error;
  if (status === 429 || status === 408) return true;
  return status >= 500 && status !== 501 && status !== 505 && !PERMANENT.test(message);
}

/** Complaints that do not name the field by its own name. */
const COMPLAINTS: readonly (readonly [OptionalField, RegExp])[] = [
  ["tool_choice", /tool.?choice/i],
  ["response_format", /response.?format|json.?schema|structured.?output|guided|grammar/i],
  ["reasoning_effort", /reasoning|does not support thinking/i],
  ["thinking_token_budget", /reasoning.?(?:config|parser)|thinking.?(?:token|budget)/i],
  ["chat_template_kwargs", /template.?kwargs|enable_thinking/i],
];

/** The optional field of `body` that a server complains about, if it does. */
export function findRefusedField({ status, message }: ServerError, body: string): OptionalField | undefined {
  const isSent = (field: OptionalField): boolean => body.includes(`"${field}":`);
  const complains = status === 400 || status === 422;
  const named = OPTIONAL_FIELDS.filter((field) => complains && message.includes(field) && isSent(field));
  // "Use `max_completion_tokens` and not `max_tokens`": of those that we sent, the first one named.
  const [first] = named.sort((one, other) => message.indexOf(one) - message.indexOf(other));
  if (first !== undefined || !(complains || status === 500 || status === 501)) return first;
  return COMPLAINTS.find(([field, words]) => isSent(field) && words.test(message))?.[0];
}

/** The server does not have the model that was asked for. */
export function isUnknownModel({ status, message, kind }: ServerError): boolean {
  if (kind.includes("model_not_found") || status === 404) return true;
  return (
    status === 400 &&
    /model .{0,120}(?:not found|does not exist|not exist|unknown|no such)|unknown model|invalid model/i.test(
      message,
    )
  );
}

/** The error that a caller sees when nothing can be done about it here. */
export function toAgentError(
  error: ServerError,
  { url, model, hasKey }: { url: string; model: string; hasKey: boolean },
): AgentError {
  const { status, promptTokens, contextTokens } = error;
  const message = toLine(error.message);
  const data = { url, status, body: message };
  if (isContextOverflow(error)) {
    const counts = { ...(promptTokens ? { promptTokens } : {}), ...(contextTokens ? { contextTokens } : {}) };
    const shown = promptTokens && contextTokens ? ` (${promptTokens} tokens into ${contextTokens})` : "";
    return new AgentError(
      "context_overflow",
      `The conversation does not fit the context window${shown}: ${message}. Start a new session, or load the model with a larger window.`,
      { data: { ...data, ...counts } },
    );
  }
  const reply = (code: ErrorCode, text: string) => new AgentError(code, text, { data });
  if (status === 401 || status === 403) {
    return reply("model_rejected", toKeyMessage(status, { url, hasKey, said: message }));
  }
  if (status === 429 || status >= 500) {
    const code = PERMANENT.test(message) ? "model_rejected" : "model_unavailable";
    return reply(code, `The server at \`${url}\` failed with status ${status}: ${message}`);
  }
  return reply(
    "model_rejected",
    `The server at \`${url}\` refused the request for \`${model}\` (status ${status}): ${message}`,
  );
}

/** For a server that refuses with 401 or 403, which says little about why. */
export function toKeyMessage(
  status: number,
  { url, hasKey, said = "" }: { url: string; hasKey: boolean; said?: string },
): string {
  const words = said === "" || said === `HTTP status ${status}` ? "" : `: ${said}`;
  if (hasKey)
    return `The server at \`${url}\` refused the API key (status ${status})${words}. Set \`LLM_API_KEY\`.`;
  const what = status === 401 ? "asks for an API key" : "refused access";
  const way = status === 401 ? "Set `LLM_API_KEY`." : "If it needs an API key, set `LLM_API_KEY`.";
  return `The server at \`${url}\` ${what} (status ${status})${words}. ${way}`;
}

/** One line without tags, short enough to show. */
export function toLine(whole: string, maxChars = SHOWN_CHARS): string {
  const text = whole.slice(0, 2 * READ_CHARS);
  const plain = /^\s*</.test(text)
    ? text.replace(/<(script|style)[\s\S]*?<\/\1>/gi, " ").replace(/<[^>]*>/g, " ")
    : text;
  const line = plain.replace(/\s+/g, " ").trim();
  return line.length > maxChars ? `${line.slice(0, maxChars)}…` : line;
}

function parseJson(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "string") return { error: value };
    return typeof value === "object" && value !== null
      ? toObject(Array.isArray(value) ? value[0] : value)
      : undefined;
  } catch {
    return undefined;
  }
}

function toCount(value: unknown): number | undefined {
  return typeof value === "number" && value > 0 ? value : undefined;
}
