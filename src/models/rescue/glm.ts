import type { CallForm } from "./form.ts";
import { CUT_OFF, parametersOf, toParameter } from "./form.ts";
import { skipMark } from "./json-calls.ts";

const OPEN = /<tool_call>\s*([\w.:-]+)[ \t]*(?:\n\s*)?(?=<arg_key>|<\/tool_call>)/y;
const PAIR = /\s*<arg_key>([\s\S]*?)<\/arg_key>\s*<arg_value>([\s\S]*?)<\/arg_value>/y;

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
    // A value without its end is a cut, whatever the server says about the finish.
    const cut = closed === undefined && text.slice(end).trim() !== "";
    const stop = closed ?? (cut ? text.length : end);
    const call = { name, arguments: Object.fromEntries(values), raw: text.slice(at, stop) };
    return { end: stop, calls: [cut ? { ...call, problem: CUT_OFF } : call] };
  },
};
