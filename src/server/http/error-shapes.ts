/** Each dialect has its own shape of errors; the path says which one a client expects. */
import { toOpenAiBody } from "./errors.ts";
import type { ApiError } from "./errors.ts";
import { toAnthropicBody } from "../messages/errors.ts";
import { toLmStudioBody } from "../lmstudio/error-body.ts";
import { toOllamaBody } from "../ollama/error-body.ts";

export type ErrorShape = (error: ApiError) => unknown;

/** By the beginning of the path, longest first; any other path has OpenAI's. */
const SHAPES: readonly (readonly [prefix: string, shape: ErrorShape])[] = [
  ["/v1/messages", toAnthropicBody],
  ["/api/v0/", toOpenAiBody],
  ["/api/v1/", toLmStudioBody],
  ["/api/", toOllamaBody],
];

export function shapeOf(path: string): ErrorShape {
  return SHAPES.find(([prefix]) => path.startsWith(prefix))?.[1] ?? toOpenAiBody;
}
