import { AgentError, errnoOf, errorMessage } from "../core/errors.ts";

/** The error for a file of the engine's own under LMAGENT_HOME that could not be made. */
export function storageFailed(path: string, cause: unknown): AgentError {
  return new AgentError(
    "storage_failed",
    `\`${path}\` cannot be written: ${errorMessage(cause)}. Free some space or choose another LMAGENT_HOME.`,
    { cause, data: { path, errno: errnoOf(cause) } },
  );
}
