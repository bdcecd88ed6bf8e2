import type { ApiError } from "../http/errors.ts";

/** Errors below `/api/` (https://docs.ollama.com/api/errors): words and nothing else. */
export function toOllamaBody({ message }: ApiError): { error: string } {
  return { error: message };
}
