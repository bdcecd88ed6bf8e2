import type { CallForm } from "./form.ts";
import { CUT_OFF, parametersOf, toParameter } from "./form.ts";
import { skipMark } from "./json-calls.ts";

const OPEN = /<tool_call>\s*([\w.:-]+)[ \t]*(?:\n\s*)?(?=<arg_key>|<\/tool_call>)/y;
const PAIR = /\s*<arg_key>([\s\S]*?)<\/arg_key>\s*<arg_value>([\s\S]*?)<\/arg_value>/y;

const UNCLEAR =
  'It is not clear where a value of the call ends, because it holds `</arg_value>`. Send it as JSON: <tool_call>{"name": "…", "arguments": {…}}</tool_call>.';

/** GLM: `<tool_call>read\n<arg_key>path</arg_key>\n<arg_value>a.txt</arg_value>\n</tool_call>`. */
export const glm: CallForm = {
  name: "<arg_key> in text",
  openers: ["<tool_call>"],
  closers: ["</tool_call>"],
  read(text, at, { tools }) {
    OPEN.lastIndex = at;
    const open = OPEN.exec(text);
    if (!open?.[1]) return undefined;
    const name = open[1];
    const declared = parametersOf(tools, name);
    const values: [string, unknown][] = [];
    let end = at + open[0].length;
    for (;;) {
      PAIR.lastIndex = end;
      const pair = PAIR.exec(text);
      if (!pair) break;
      end += pair[0].length;
      const key = (pair[1] ?? "").trim();
      values.push([key, toParameter(declared[key]?.type ?? "string", pair[2] ?? "")]);
    }
    const closed = skipMark(text, end, ["</tool_call>"]);
    const keys = values.map(([key]) => key);
    const isMixed = keys.includes("") || new Set(keys).size < keys.length;
    const problem = isMixed ? UNCLEAR : findProblem(text, { end, closed });
    const stop = problem === undefined ? (closed ?? end) : skipRest(text, end);
    const call = { name, arguments: Object.fromEntries(values), raw: text.slice(at, stop) };
    return { end: stop, calls: [problem === undefined ? call : { ...call, problem }] };
  },
};

/** A value without its end is a cut, whatever the server says about the finish; text after a value says that it held its own end. */
function findProblem(
  text: string,
  { end, closed }: { end: number; closed: number | undefined },
): string | undefined {
  const rest = text.slice(closed ?? end);
  const [tag] = /<tool_call>|<\/arg_value>/.exec(rest) ?? [];
  if (tag === "</arg_value>") return UNCLEAR;
  if (closed !== undefined || rest.trim() === "" || /^\s*<tool_call>/.test(rest)) return undefined;
  return CUT_OFF;
}

/** What is left of a call that cannot be used, up to its last end before the next call. */
function skipRest(text: string, at: number): number {
  const next = text.indexOf("<tool_call>", at);
  const last = text.slice(0, next < 0 ? undefined : next).lastIndexOf("</tool_call>");
  return last < at ? text.length : last + "</tool_call>".length;
}
