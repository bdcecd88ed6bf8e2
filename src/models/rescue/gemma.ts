import { readLooseJson } from "../loose-json.ts";
import type { CallForm, FormScope, WrittenCall } from "./form.ts";
import { CUT_OFF } from "./form.ts";
import { skipMark } from "./json-calls.ts";

const OPENER = "<start_function_call>";
const END = "<end_function_call>";
const HEAD = /<start_function_call>\s*call:([\w.:-]+)\s*(?=\{)/y;
const BODY = /\{(?:<escape>[\s\S]*?<escape>|[^<]+|<(?!escape>|end_function_call>))*/y;

/** FunctionGemma: `<start_function_call>call:read{path:<escape>a.txt<escape>}<end_function_call>`. */
export const gemma: CallForm = {
  name: "<start_function_call> in text",
  openers: [OPENER],
  closers: [END],
  read(text, at, scope) {
    HEAD.lastIndex = at;
    const head = HEAD.exec(text);
    if (!head?.[1]) return undefined;
    const start = at + head[0].length;
    BODY.lastIndex = start;
    const raw = (BODY.exec(text)?.[0] ?? "").trimEnd();
    const closed = skipMark(text, start + raw.length, [END]);
    const end = closed ?? (text.includes(END, start) ? text.indexOf(END, start) + END.length : text.length);
    return { end, calls: [toCall(head[1], raw, { scope, isClosed: closed !== undefined })] };
  },
};

/** With its strings written as JSON, the rest is JSON with bare keys. */
function toCall(
  name: string,
  raw: string,
  { scope, isClosed }: { scope: FormScope; isClosed: boolean },
): WrittenCall {
  const json = raw.replace(/<escape>([\s\S]*?)<escape>/g, (_, value: string) => JSON.stringify(value));
  const loose = readLooseJson(json, { closeOpen: isClosed || scope.complete });
  if (loose.ok && json.slice(loose.end).trim() === "") return { name, arguments: loose.value, raw };
  const why = loose.ok ? "more follows the arguments" : loose.problem;
  const problem = isClosed ? `The call could not be read: ${why}. Send it again.` : CUT_OFF;
  return { name, arguments: undefined, raw, problem };
}
