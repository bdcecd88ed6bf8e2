/** Reads the body of a request: JSON of a given shape, or an error that names the field and its value. */
import * as z from "zod/mini";
import { explainIssue } from "./explain-issue.ts";
import { ApiFailure, toApiError } from "./errors.ts";

/** No request of use nests deeper, and what walks through a body later does so by recursion. */
const DEPTH_LIMIT = 256;

/** Throws `ApiFailure` (400). */
export function parseBody<Schema extends z.core.$ZodType>(text: string, schema: Schema): z.output<Schema> {
  return parseField(parseJson(text), schema, []);
}

/** For parts whose shape depends on a word in them, which are read one by one; `at` is the way to it. Throws `ApiFailure` (400). */
export function parseField<Schema extends z.core.$ZodType>(
  value: unknown,
  schema: Schema,
  at: readonly (string | number)[],
): z.output<Schema> {
  const parsed = z.safeParse(schema, value);
  if (parsed.success) return parsed.data;
  throw new ApiFailure(describeIssue(parsed.error.issues[0], value, at));
}

function parseJson(text: string): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text) as unknown;
  } catch (thrown) {
    const message = `The body is no JSON: ${(thrown as Error).message}`;
    throw new ApiFailure(toApiError(400, message, { code: "invalid_json" }));
  }
  if (isDeeperThan(body, DEPTH_LIMIT)) {
    const message = `The body nests deeper than ${DEPTH_LIMIT} levels.`;
    throw new ApiFailure(toApiError(400, message, { code: "invalid_json" }));
  }
  return body;
}

/** A level at a time: recursion would end with the stack. */
function isDeeperThan(value: unknown, limit: number): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []));
  }
  return false;
}

function describeIssue(
  issue: z.core.$ZodIssue | undefined,
  whole: unknown,
  at: readonly (string | number)[],
): ReturnType<typeof toApiError> {
  const path = (issue?.path ?? []).map(String);
  const param = [...at.map(String), ...path].join(".") || null;
  const value = path.reduce<unknown>(
    (from, key) => (from as Record<string, unknown> | undefined)?.[key],
    whole,
  );
  const shown = JSON.stringify(value)?.slice(0, 80) ?? "undefined";
  const name = param === null ? "The body" : `\`${param}\``;
  const explained = explainIssue(issue);
  const message =
    value === undefined
      ? `${name} is missing: it ${explained}.`
      : `${name} is \`${shown}\`: it ${explained}.`;
  return toApiError(400, message, param === null ? {} : { param });
}
