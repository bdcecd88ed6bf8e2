/**
 * What can go wrong through misuse or a broken environment. Expected failure (a tool that finds no
 * file, a run that reaches its limit) is data and never an `AgentError`.
 */
export const ERROR_CODES = [
  /** The command line was wrong: unknown flag, bad value. `data.flag`. */
  "usage",
  /** A setting (environment, config file) has a value that cannot be used. `data.field`, `data.value`. */
  "config_invalid",
  /** The workspace is missing, is not a folder, or is too wide to work in. `data.path`. */
  "workspace_invalid",
  /** A path leaves the workspace, is protected, or is no regular file. `data.path`. */
  "path_refused",
  /** A file operation failed for an ordinary reason: missing, no space, no permission. `data.path`, `data.errno`. */
  "file_failed",
  /** No model server answers, or it stopped answering. `data.url`. */
  "model_unavailable",
  /** The server understood the request and refused it (4xx). `data.status`, `data.body`. */
  "model_rejected",
  /** The server answered something that is not the protocol: HTML, garbage. `data.url`. */
  "model_protocol",
  /** The server says that the conversation does not fit its context window. `data.promptTokens`, `data.contextTokens`. */
  "context_overflow",
  /** No session has this id. `data.id`. */
  "session_not_found",
  /** Another process is writing to this session. `data.id`, `data.pid`. */
  "session_locked",
  /** A session file cannot be read as one. `data.path`, `data.line`. */
  "session_corrupt",
  /** State could not be written: full disk, no permission. `data.path`, `data.errno`. */
  "storage_failed",
  /** No sandbox that may be used works here. `data.backend`. */
  "sandbox_unavailable",
  /** A model could not be loaded or used by our runtime. `data.reason` says why: see `EngineFailureCode`. */
  "engine_failed",
  /** The model server or its daemon cannot be started, reached or told something. `data.port`, `data.bind`. */
  "server_failed",
  /** A model could not be fetched: unknown, no access, cut off, damaged, no space. `data.reference`, `data.url`. */
  "download_failed",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface AgentErrorOptions {
  cause?: unknown;
  /** Plain data only; never live objects. */
  data?: Readonly<Record<string, unknown>>;
}

/** The one error class. Its message names what was wrong, the value in backticks, and the way out. */
export class AgentError extends Error {
  override readonly name = "AgentError";
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, { cause, data = {} }: AgentErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.data = data;
  }

  /** By name and not by `instanceof`, so that it works across bundles. */
  static is(value: unknown, code?: ErrorCode): value is AgentError {
    return (
      value instanceof Error &&
      value.name === "AgentError" &&
      (code === undefined || (value as AgentError).code === code)
    );
  }
}

/** The text of anything that was thrown. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The system's code of a failed call, such as `ENOENT`; `undefined` for anything else that was thrown. */
export function errnoOf(thrown: unknown): string | undefined {
  const code = thrown instanceof Error ? (thrown as Error & { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}
