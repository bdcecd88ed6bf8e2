import type { ToolSchema } from "../../core/model.ts";
import { parseCallArguments } from "../call-arguments.ts";
import { readLooseJson } from "../loose-json.ts";
import type { FormScope, WrittenCall } from "./form.ts";
import { CUT_OFF, skipSpace } from "./form.ts";
import { toWrittenCalls } from "./json-calls.ts";
import type { FormedCall } from "./marked.ts";
import { readMarked } from "./marked.ts";
import { announcesAction } from "./placement.ts";
import { readPythonCalls, readPythonList } from "./python-call.ts";

/** Names of fences in which models write calls; any other language is an answer. */
export const CALL_FENCES: readonly string[] = [
  "",
  "json",
  "tool_call",
  "tool_calls",
  "tool_code",
  "tool",
  "tool_use",
  "function_call",
  "function",
  "xml",
];

const ENVELOPE = ["name", "tool", "tool_name", "arguments", "parameters", "args", "input", "type", "id"];

interface Found {
  end: number;
  calls: readonly FormedCall[];
}

/** The whole answer is JSON, and exactly calls of declared tools. */
export function readBareCalls(text: string, scope: FormScope): FormedCall[] | undefined {
  const listed = readPythonList(text, scope);
  if (listed?.every((call) => isExact(call, scope.tools))) {
    return listed.map((call) => ({ ...call, form: "a list of calls as the answer" }));
  }
  const calls: FormedCall[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const found = readExactCalls(text, at, scope);
    if (!found) return undefined;
    calls.push(...found.calls.map((call) => ({ ...call, form: "JSON as the answer" })));
    at = skipSpace(text, found.end);
    if (/[,;]/.test(text[at] ?? "") && skipSpace(text, at + 1) < text.length) at = skipSpace(text, at + 1);
  }
  return calls.length > 0 ? calls : undefined;
}

/** The same at the end of an answer, on lines of its own after the announcement of an action. */
export function readAnnouncedCalls(
  text: string,
  scope: FormScope,
): { text: string; calls: FormedCall[] } | undefined {
  const first = text.search(/^[ \t]*(?:\[\s*)?\{/m);
  if (first <= 0) return undefined;
  const before = text.slice(0, first).trim();
  const calls = announcesAction(before) ? readBareCalls(text.slice(first), scope) : undefined;
  return calls && { text: before, calls };
}

/** Fenced calls that end the answer, with nothing before them but the announcement of an action. */
export function readFencedCalls(
  text: string,
  scope: FormScope,
): { text: string; calls: FormedCall[] } | undefined {
  const first = text.search(/^[ \t]*`{3}/m);
  if (first < 0) return undefined;
  const before = text.slice(0, first).trim();
  if (before !== "" && !announcesAction(before)) return undefined;
  const calls: FormedCall[] = [];
  let at = first;
  while (skipSpace(text, at) < text.length) {
    const found = readFence(text, at, scope);
    if (!found) return undefined;
    calls.push(...found.calls);
    at = found.end;
  }
  return { text: before, calls };
}

function readFence(text: string, at: number, scope: FormScope): Found | undefined {
  const open = /\s*(`{3,})[ \t]*([\w-]*)\s*/y;
  open.lastIndex = at;
  const [whole = "", ticks = "```", language = ""] = open.exec(text) ?? [];
  if (whole === "" || !CALL_FENCES.includes(language.toLowerCase())) return undefined;
  const start = at + whole.length;
  const body = readFenceBody(text, start, { scope, language, ticks });
  if (!body) return undefined;
  const end = skipSpace(text, body.end);
  const form = language === "" ? "fenced JSON" : `fenced ${language}`;
  const calls = body.calls.map((call) => ({ ...call, form }));
  if (text.startsWith(ticks, end)) return { end: end + ticks.length, calls };
  return end === text.length ? { end, calls } : undefined;
}

function readFenceBody(
  text: string,
  start: number,
  { scope, language, ticks }: { scope: FormScope; language: string; ticks: string },
): Found | undefined {
  const first = text[start];
  if (first === "{" || first === "[")
    return readExactCalls(text, start, scope) ?? readMarked(text, start, scope);
  if (first === "<") return readMarked(text, start, scope);
  if (language !== "tool_code") return undefined;
  const close = text.indexOf(ticks, start);
  const end = close < 0 ? text.length : close;
  const calls = close < 0 && !scope.complete ? undefined : readPythonCalls(text.slice(start, end), scope);
  if (!calls?.every((call) => isExact(call, scope.tools))) return undefined;
  return { end, calls: calls.map((call) => ({ ...call, form: "" })) };
}

function readExactCalls(text: string, at: number, scope: FormScope): Found | undefined {
  if (text[at] !== "{" && text[at] !== "[") return undefined;
  const loose = readLooseJson(text, { at, closeOpen: scope.complete });
  if (!loose.ok)
    return readBrokenCall(text, at, { scope, problem: loose.problem, truncated: loose.truncated });
  const calls = isEnvelope(loose.value) ? toWrittenCalls(loose.value, text.slice(at, loose.end), scope) : [];
  if (calls.length === 0 || !calls.every((call) => isExact(call, scope.tools))) return undefined;
  return { end: loose.end, calls: calls.map((call) => ({ ...call, form: "" })) };
}

/** Nothing beside a name and arguments: `package.json` has a name too. */
function isEnvelope(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0 && value.every(isEnvelope);
  if (typeof value !== "object" || value === null) return false;
  const object = value as Record<string, unknown>;
  const inner = object["tool_calls"] ?? object["tool_call"] ?? object["function_call"] ?? object["function"];
  if (typeof inner === "object" && inner !== null) return isEnvelope(inner);
  const keys = Object.keys(object);
  const carries = ["arguments", "parameters", "args", "input"].some((key) => key in object);
  return carries && keys.every((key) => ENVELOPE.includes(key) || key === "function");
}

/** A declared tool, all that it requires, and nothing that it does not know. */
function isExact(call: WrittenCall, tools: readonly ToolSchema[]): boolean {
  const tool = tools.find((one) => one.function.name === call.name);
  if (!tool) return false;
  const { properties = {}, required = [] } = tool.function.parameters as {
    properties?: object;
    required?: string[];
  };
  const parsed = parseCallArguments(call.arguments, { complete: true });
  if ("problem" in parsed) return false;
  const keys = Object.keys(parsed.arguments);
  return keys.every((key) => Object.hasOwn(properties, key)) && required.every((key) => keys.includes(key));
}

/** JSON that begins as a call of a declared tool and then breaks: its writer should hear about it. */
function readBrokenCall(
  text: string,
  at: number,
  { scope, problem, truncated }: { scope: FormScope; problem: string; truncated: boolean },
): Found | undefined {
  const head = /\[?\s*\{\s*["']name["']\s*:\s*["']([\w.-]+)["']\s*,\s*["'](?:arguments|parameters)["']\s*:/y;
  head.lastIndex = at;
  const name = head.exec(text)?.[1];
  if (name === undefined || !scope.tools.some((tool) => tool.function.name === name)) return undefined;
  const fence = text.lastIndexOf("```");
  const end = fence > at ? fence : text.length;
  const why = truncated ? CUT_OFF : `The call is not valid JSON: ${problem}. Send it again with valid JSON.`;
  return { end, calls: [{ name, arguments: undefined, raw: text.slice(at, end), problem: why, form: "" }] };
}
