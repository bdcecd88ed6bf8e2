import { AgentError } from "../../core/errors.ts";

const AGAIN = "Download it again, or choose another file.";

/** What is wrong with a GGUF file, where in it, and what to do. `engine_failed` with `data.reason` `load_failed`, `data.path` and `data.offset`. */
export function ggufError(
  path: string,
  { offset, what, wayOut = AGAIN }: { offset: number; what: string; wayOut?: string },
): AgentError {
  return new AgentError(
    "engine_failed",
    `\`${path}\` cannot be used as a model: ${what} (at byte ${offset}). ${wayOut}`,
    { data: { reason: "load_failed", path, offset } },
  );
}
