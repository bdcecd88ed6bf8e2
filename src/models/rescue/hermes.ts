import type { CallForm, FormScope, FoundBlock, WrittenCall } from "./form.ts";
import { skipSpace } from "./form.ts";
import { readArguments, readJsonCalls, skipMark } from "./json-calls.ts";

const OPENERS = ["<tool_call>", "<tool_calls>", "<function_call>", "<tools>"];
const CLOSE = ["</tool_call>", "</tool_calls>", "</function_call>", "</tools>"];
const ENDS = [...CLOSE, ...OPENERS, "<tool_response>", "<|im_end|>"];
const NAME = /([A-Za-z_][\w.:-]*)\s*(?=\{)/y;

/**
 * Hermes, Qwen, Granite and many others: `<tool_call>{"name": …, "arguments": …}</tool_call>`, also with a list or several
 * objects inside, and with the name in front of its arguments.
 */
export const hermes: CallForm = {
  name: "<tool_call> in text",
  openers: OPENERS,
  closers: CLOSE,
  read(text, at, scope) {
    const opener = OPENERS.find((one) => text.startsWith(one, at)) ?? "";
    const start = skipSpace(
      text,
      skipMark(text, at + opener.length, ["```json", "```"]) ?? at + opener.length,
    );
    const block = readNamed(text, start, scope) ?? readObjects(text, start, scope);
    if (!block) return undefined;
    const body = skipMark(text, block.end, ["```"]) ?? block.end;
    return { end: skipMark(text, body, CLOSE) ?? skipPartialTag(text, block.end), calls: block.calls };
  },
};

function readObjects(text: string, start: number, scope: FormScope): FoundBlock | undefined {
  const calls: WrittenCall[] = [];
  let end = start;
  for (
    let at = start;
    text[at] === "{" || text[at] === "[";
    at = skipMark(text, end, [","]) ?? skipSpace(text, end)
  ) {
    const block = readJsonCalls(text, at, scope, ENDS);
    calls.push(...block.calls);
    end = block.end;
  }
  return end > start ? { end, calls } : undefined;
}

function readNamed(text: string, start: number, scope: FormScope): FoundBlock | undefined {
  NAME.lastIndex = start;
  const open = NAME.exec(text);
  const name = open?.[1];
  const body = name && readArguments(text, start + open[0].length, { scope, name, closers: ENDS });
  return body ? { end: body.end, calls: [body.call] } : undefined;
}

/** The last tag of an answer may be cut although the call is whole. */
function skipPartialTag(text: string, at: number): number {
  const rest = text.slice(at, at + 40).trim();
  return rest !== "" && CLOSE.some((tag) => tag.startsWith(rest)) ? text.length : at;
}
