import type { ToolSchema } from "../../core/model.ts";
import { parseCallArguments } from "../call-arguments.ts";
import { readLooseJson } from "../loose-json.ts";
import type { FormScope, WrittenCall } from "./form.ts";
import { CUT_OFF } from "./form.ts";
import { toWrittenCalls } from "./json-calls.ts";
import type { FormedCall } from "./marked.ts";

const ENVELOPE = ["name", "tool", "tool_name", "arguments", "parameters", "args", "input", "type", "id"];

/** Calls that are exactly calls of declared tools, so that no mark has to say so. */
export interface Found {
  end: number;
  calls: readonly FormedCall[];
}

/** Reads JSON at `at` that is nothing but calls of declared tools. */
export function readExactCalls(text: string, at: number, scope: FormScope): Found | undefined {
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
export function isExact(call: WrittenCall, tools: readonly ToolSchema[]): boolean {
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
