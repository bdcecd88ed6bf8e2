import type { CallForm, FormScope, FoundBlock, WrittenCall } from "./form.ts";
import { skipSpace } from "./form.ts";
import { readArguments, readJsonCalls } from "./json-calls.ts";

const OPENER = "[TOOL_CALLS]";
const NAME = /\s*([\w.:-]+)(?:\[CALL_ID\][\w-]*)?\s*(?:\[ARGS\])?\s*(?=\{)/y;

/** Mistral: `[TOOL_CALLS][{"name": …}]`, and since 2025 `[TOOL_CALLS]read{"path": …}` or with `[ARGS]` between. */
export const mistral: CallForm = {
  name: "[TOOL_CALLS] in text",
  openers: [OPENER],
  closers: [],
  read(text, at, scope) {
    const start = skipSpace(text, at + OPENER.length);
    if (text[start] === "[" || text[start] === "{")
      return readJsonCalls(text, start, scope, [OPENER, "</s>"]);
    return readNamed(text, start, scope);
  },
};

/** One `name{…}` after the other; a further opener between them is optional. */
function readNamed(text: string, from: number, scope: FormScope): FoundBlock | undefined {
  const calls: WrittenCall[] = [];
  let end = from;
  for (let at: number | undefined = from; at !== undefined;) {
    NAME.lastIndex = at;
    const open = NAME.exec(text);
    const closers = [OPENER, "</s>"];
    const body = open?.[1]
      ? readArguments(text, at + open[0].length, { scope, name: open[1], closers })
      : undefined;
    if (!body) break;
    calls.push(body.call);
    end = body.end;
    const next = skipSpace(text, end);
    at = text.startsWith(OPENER, next) ? next + OPENER.length : next;
  }
  return calls.length > 0 ? { end, calls } : undefined;
}
