import type { CallForm, FormScope, WrittenCall } from "./form.ts";
import { CUT_OFF, parametersOf, skipSpace, toParameter } from "./form.ts";
import { readArguments, skipMark } from "./json-calls.ts";
import { hasStrayEnd, readXmlValue } from "./xml-value.ts";

const DSML = "[｜|]DSML[｜|]";
const OPEN = new RegExp(
  `(?:<(?:tool_call|function_calls|minimax:tool_call|seed:tool_call|${DSML}function_calls)>\\s*)?<(?:function=|function\\s+name=|(?:${DSML})?invoke\\s+name=)\\s*"?([\\w.:-]+)"?\\s*>`,
  "y",
);
const PARAMETER = new RegExp(`\\s*<(?:${DSML})?parameter(?:=|\\s+name=)\\s*"?([\\w.-]+)"?[^<>]*>`, "y");
const END_FUNCTION = ["</function>", "</invoke>", "</｜DSML｜invoke>", "</|DSML|invoke>"];
const END_ALL = [
  "</tool_call>",
  "</function_calls>",
  "</minimax:tool_call>",
  "</seed:tool_call>",
  "</｜DSML｜function_calls>",
  "</|DSML|function_calls>",
];
const END_TURN = ["<|im_end|>", "</s>", "<|endoftext|>"];
const UNCLEAR =
  'It is not clear where a value of the call ends, because it holds tags like those of the call. Send it as JSON: <tool_call>{"name": "…", "arguments": {…}}</tool_call>.';

/**
 * Qwen3-Coder: `<function=read><parameter=path>a.txt</parameter></function>`, with or without `<tool_call>` around it, and
 * Llama's `<function=read>{"path": "a.txt"}</function>`. MiniMax, DeepSeek V3.2 and models trained on Claude's answers write
 * the same as `<invoke name="read"><parameter name="path">a.txt</parameter></invoke>`, some with `<function name="read">`.
 */
export const qwenXml: CallForm = {
  name: "<function=…> in text",
  openers: [
    "<function=",
    "<function name=",
    "<invoke name=",
    "<｜DSML｜invoke name=",
    "<|DSML|invoke name=",
    "<tool_call>",
    "<function_calls>",
    "<minimax:tool_call>",
    "<seed:tool_call>",
    "<｜DSML｜function_calls>",
    "<|DSML|function_calls>",
  ],
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
    const problem = body.call.problem ?? findProblem(text, { end, bodyEnd: body.end, scope });
    const stop = problem === UNCLEAR ? skipStrayEnds(text, end ?? body.end) : (end ?? body.end);
    const call = { ...body.call, raw: text.slice(at, stop) };
    return { end: stop, calls: [problem === undefined ? call : { ...call, problem }] };
  },
};

/** Nothing may be left inside the call, and no end may follow that belongs to nothing. */
function findProblem(
  text: string,
  { end, bodyEnd, scope }: { end: number | undefined; bodyEnd: number; scope: FormScope },
): string | undefined {
  if (end !== undefined) return hasStrayEnd(text, end) ? UNCLEAR : undefined;
  if (!scope.complete) return CUT_OFF;
  const rest = skipMark(text, bodyEnd, END_TURN) ?? bodyEnd;
  return skipSpace(text, rest) === text.length ? undefined : UNCLEAR;
}

/** What is left of an unclear call up to the next one is no answer either. */
function skipStrayEnds(text: string, at: number): number {
  const ends = /[\s\S]*<\/(?:parameter|function|invoke|tool_call|function_calls)>/y;
  const next = text.slice(at).search(/<(?:tool_call>|function=)/);
  const part = text.slice(0, next < 0 ? undefined : at + next);
  ends.lastIndex = at;
  return at + (ends.exec(part)?.[0].length ?? 0);
}

function readParameters(
  text: string,
  from: number,
  { scope, name }: { scope: FormScope; name: string },
): { end: number; call: WrittenCall } {
  const declared = parametersOf(scope.tools, name);
  const values = new Map<string, unknown>();
  let at = from;
  let problem: string | undefined;
  for (;;) {
    PARAMETER.lastIndex = at;
    const [whole = "", key] = PARAMETER.exec(text) ?? [];
    if (key === undefined) break;
    const start = at + whole.length;
    const isNext = (other: string) => Object.hasOwn(declared, other) && other !== key && !values.has(other);
    const value = readXmlValue(text, start, isNext);
    if (typeof value !== "object") problem ??= value === undefined ? CUT_OFF : UNCLEAR;
    if (values.has(key)) problem ??= UNCLEAR;
    const end = typeof value === "object" ? value : { at: text.length, end: text.length };
    at = end.end;
    values.set(key, toParameter(declared[key]?.type ?? "string", trimLineEnds(text.slice(start, end.at))));
  }
  const call = { name, arguments: Object.fromEntries(values), raw: text.slice(from, at) };
  return { end: at, call: problem === undefined ? call : { ...call, problem } };
}

/** The format puts a value on lines of its own; these two line ends are not part of it. */
function trimLineEnds(value: string): string {
  return value.replace(/^\r?\n/, "").replace(/\r?\n$/, "");
}
