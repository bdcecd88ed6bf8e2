import { readLooseJson } from "../loose-json.ts";
import type { FormScope, FoundBlock, WrittenCall } from "./form.ts";
import { CUT_OFF, parametersOf, skipSpace } from "./form.ts";

const NAME_KEYS = ["name", "tool", "tool_name", "function_name", "recipient_name"];
const ARGUMENT_KEYS = ["arguments", "parameters", "args", "input", "params", "tool_input"];

/** Keys with which a call may begin; any other first key says that this JSON is something else. */
export const FIRST_KEYS: readonly string[] = [
  ...NAME_KEYS,
  ...ARGUMENT_KEYS,
  "type",
  "id",
  "function",
  "tool_call",
  "tool_calls",
  "function_call",
];

/** Calls in a JSON value: `{name, arguments}` in its spellings, wrapped, in a list. Anything else yields none. */
export function toWrittenCalls(value: unknown, raw: string, scope: FormScope): WrittenCall[] {
  if (Array.isArray(value)) return value.flatMap((one) => toWrittenCalls(one, JSON.stringify(one), scope));
  if (typeof value !== "object" || value === null) return [];
  const object = value as Record<string, unknown>;
  const inner = object["tool_calls"] ?? object["tool_call"] ?? object["function_call"];
  if (typeof inner === "object" && inner !== null) return toWrittenCalls(inner, raw, scope);
  if (typeof object["function"] === "object") return toWrittenCalls(object["function"], raw, scope);
  const name = [...NAME_KEYS, "function"].map((key) => object[key]).find((one) => typeof one === "string");
  if (typeof name !== "string" || name === "") return readKeyed(object, raw, scope);
  const key = ARGUMENT_KEYS.find((one) => one in object);
  return [{ name, arguments: key === undefined ? readFlat(object, name, scope) : (object[key] ?? {}), raw }];
}

/** `{"read": {"path": "a.txt"}}`: a declared name as the only key. */
function readKeyed(object: Record<string, unknown>, raw: string, { tools }: FormScope): WrittenCall[] {
  const [[name, args] = ["", undefined], ...others] = Object.entries(object);
  const declared = tools.some((tool) => tool.function.name === name);
  return declared && others.length === 0 && typeof args === "object"
    ? [{ name, arguments: args ?? {}, raw }]
    : [];
}

/** `{"name": "read", "path": "a.txt"}`: the parameters beside the name. */
function readFlat(
  object: Record<string, unknown>,
  name: string,
  { tools }: FormScope,
): Record<string, unknown> {
  const parameters = parametersOf(tools, name);
  return Object.fromEntries(Object.entries(object).filter(([key]) => Object.hasOwn(parameters, key)));
}

/** Reads a JSON value that is meant as a call or a list of calls. Broken JSON yields a call with a problem. */
export function readJsonCalls(
  text: string,
  at: number,
  scope: FormScope,
  closers: readonly string[],
): FoundBlock {
  const start = skipSpace(text, at);
  const limit = findFirst(text, start, closers);
  const loose = readLooseJson(text, { at: start });
  if (loose.ok) {
    const raw = text.slice(start, loose.end);
    return { end: loose.end, calls: toWrittenCalls(loose.value, raw, scope) };
  }
  const end = limit ?? text.length;
  const raw = text.slice(start, end).trim();
  const closed = readLooseJson(raw, { closeOpen: limit !== undefined || scope.complete });
  if (closed.ok && raw.slice(closed.end).trim() === "")
    return { end, calls: toWrittenCalls(closed.value, raw, scope) };
  return {
    end,
    calls: [toBrokenCall(raw, closed.ok ? "more follows the JSON" : closed.problem, limit === undefined)],
  };
}

/** Reads the JSON of arguments alone; `undefined` when none begins here. */
export function readArguments(
  text: string,
  at: number,
  { scope, name, closers }: { scope: FormScope; name: string; closers: readonly string[] },
): { end: number; call: WrittenCall } | undefined {
  const start = skipSpace(text, at);
  if (text[start] !== "{") return undefined;
  const loose = readLooseJson(text, { at: start });
  if (loose.ok) {
    return { end: loose.end, call: { name, arguments: loose.value, raw: text.slice(start, loose.end) } };
  }
  const limit = findFirst(text, start, closers);
  const end = limit ?? text.length;
  const raw = text.slice(start, end).trim();
  const cut = limit === undefined && !scope.complete;
  return { end, call: { name, arguments: raw, raw, ...(cut ? { problem: CUT_OFF } : {}) } };
}

function toBrokenCall(raw: string, problem: string, open: boolean): WrittenCall {
  const name = /["']?(?:name|tool|function)["']?\s*:\s*["']([\w.:-]+)["']/.exec(raw)?.[1] ?? "";
  const why = open ? CUT_OFF : `The call is not valid JSON: ${problem}. Send it again with valid JSON.`;
  return { name, arguments: undefined, raw, problem: why };
}

export function findFirst(text: string, at: number, marks: readonly string[]): number | undefined {
  const hits = marks.map((mark) => text.indexOf(mark, at)).filter((hit) => hit >= 0);
  return hits.length > 0 ? Math.min(...hits) : undefined;
}

/** Steps over any of `marks`, white space before it included, when one is here. */
export function skipMark(text: string, at: number, marks: readonly string[]): number | undefined {
  const start = skipSpace(text, at);
  const mark = marks.find((one) => text.startsWith(one, start));
  return mark === undefined ? undefined : start + mark.length;
}
