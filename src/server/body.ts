/** Reads the body of a request: JSON of a given shape, or an error that names the field and its value. */
import * as z from "zod/mini";
import { ApiFailure, toApiError } from "./errors.ts";

/** Throws `ApiFailure` (400). */
export function parseBody<Schema extends z.core.$ZodType>(text: string, schema: Schema): z.output<Schema> {
  const body = parseJson(text);
  const parsed = z.safeParse(schema, body);
  if (parsed.success) return parsed.data;
  throw new ApiFailure(describeIssue(parsed.error.issues[0], body));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    const message = `The body is no JSON: ${(thrown as Error).message}`;
    throw new ApiFailure(toApiError(400, message, { code: "invalid_json" }));
  }
}

function describeIssue(issue: z.core.$ZodIssue | undefined, body: unknown): ReturnType<typeof toApiError> {
  const path = (issue?.path ?? []).map(String);
  const param = path.join(".") || null;
  const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], body);
  const shown = JSON.stringify(value)?.slice(0, 80) ?? "undefined";
  const name = param === null ? "The body" : `\`${param}\``;
  const message = `${name} is \`${shown}\`: ${issue?.message ?? "invalid"}`;
  return toApiError(400, message, param === null ? {} : { param });
}
