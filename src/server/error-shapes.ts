/** Each dialect has its own shape of errors; the path says which one a client expects. */
import { toOpenAiBody } from "./errors.ts";
import type { ApiError } from "./errors.ts";

export type ErrorShape = (error: ApiError) => unknown;

/** By the beginning of the path, longest first; any other path has OpenAI's. */
const SHAPES: readonly (readonly [prefix: string, shape: ErrorShape])[] = [];

export function shapeOf(path: string): ErrorShape {
  return SHAPES.find(([prefix]) => path.startsWith(prefix))?.[1] ?? toOpenAiBody;
}
