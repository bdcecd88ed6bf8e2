import type { CallForm, FormScope, WrittenCall } from "./form.ts";
import { CUT_OFF, parametersOf, toParameter } from "./form.ts";
import { findFirst, readArguments, skipMark } from "./json-calls.ts";

const OPEN =
  /(?:<(?:tool_call|function_calls|minimax:tool_call)>\s*)?<(?:function=|invoke\s+name=)\s*"?([\w.:-]+)"?\s*>/y;
const PARAMETER = /\s*<parameter(?:=|\s+name=)\s*"?([\w.-]+)"?[^<>]*>/y;
const END_FUNCTION = ["</function>", "</invoke>"];
const END_ALL = ["</tool_call>", "</function_calls>", "</minimax:tool_call>"];

/**
 * Qwen3-Coder: `<function=read><parameter=path>a.txt</parameter></function>`, with or without `<tool_call>` around it, and
 * Llama's `<function=read>{"path": "a.txt"}</function>`. MiniMax and models trained on Claude's answers write the same as
 * `<invoke name="read"><parameter name="path">a.txt</parameter></invoke>`.
 */
export const qwenXml: CallForm = {
  name: "<function=…> in text",
  openers: ["<function=", "<invoke name=", "<tool_call>", "<function_calls>", "<minimax:tool_call>"],
  closers: [...END_FUNCTION, ...END_ALL],
  read(text, at, scope) {
    OPEN.lastIndex = at;
    const open = OPEN.exec(text);
    if (!open?.[1]) return undefined;
    const name = open[1];
    const start = at + open[0].length;
    const json = readArguments(text, start, { scope, name, closers: [...END_FUNCTION, ...END_ALL] });
    const body = json ?? readParameters(text, start, { scope, name });
    const closed = skipMark(text, body.end, END_FUNCTION);
    const end = skipMark(text, closed ?? body.end, END_ALL) ?? closed;
    const cut = end === undefined && !scope.complete;
    return {
      end: end ?? body.end,
      calls: [
        cut ? { ...body.call, problem: CUT_OFF } : { ...body.call, raw: text.slice(at, end ?? body.end) },
      ],
    };
  },
};

function readParameters(
  text: string,
  from: number,
  { scope, name }: { scope: FormScope; name: string },
): { end: number; call: WrittenCall } {
  const declared = parametersOf(scope.tools, name);
  const values: [string, unknown][] = [];
  let at = from;
  let problem: string | undefined;
  for (;;) {
    PARAMETER.lastIndex = at;
    const open = PARAMETER.exec(text);
    if (!open?.[1]) break;
    const start = at + open[0].length;
    const value = readValue(text, start);
    if (value === undefined) problem = CUT_OFF;
    at = value?.end ?? text.length;
    values.push([
      open[1],
      toParameter(declared[open[1]]?.type ?? "string", trimLineEnds(text.slice(start, value?.at))),
    ]);
  }
  const call = { name, arguments: Object.fromEntries(values), raw: text.slice(from, at) };
  return { end: at, call: problem === undefined ? call : { ...call, problem } };
}

/** A value ends at its closing tag; where that was forgotten, at the next tag on a line of its own. */
function readValue(text: string, start: number): { at: number; end: number } | undefined {
  const close = text.indexOf("</parameter>", start);
  const next = findFirst(text, start, ["\n<parameter", "\n</function>", "\n</invoke>", "\n</tool_call>"]);
  if (next !== undefined && (close < 0 || next < close)) return { at: next + 1, end: next + 1 };
  return close < 0 ? undefined : { at: close, end: close + "</parameter>".length };
}

/** The format puts a value on lines of its own; these two line ends are not part of it. */
function trimLineEnds(value: string): string {
  return value.replace(/^\r?\n/, "").replace(/\r?\n$/, "");
}
