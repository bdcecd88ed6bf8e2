import type { CallForm, WrittenCall } from "./form.ts";
import { readArguments, skipMark } from "./json-calls.ts";

const BEGIN_ALL = "<|tool_calls_section_begin|>";
const END_ALL = "<|tool_calls_section_end|>";
const CALL = /\s*<\|tool_call_begin\|>\s*([\w.:-]+)\s*<\|tool_call_argument_begin\|>/y;
const END = "<|tool_call_end|>";

/** Kimi: `<|tool_calls_section_begin|><|tool_call_begin|>functions.read:0<|tool_call_argument_begin|>{…}<|tool_call_end|>…`. */
export const kimi: CallForm = {
  name: "<|tool_calls_section_begin|> in text",
  openers: [BEGIN_ALL, "<|tool_call_begin|>"],
  closers: [END_ALL],
  read(text, at, scope) {
    const calls: WrittenCall[] = [];
    let end = skipMark(text, at, [BEGIN_ALL]) ?? at;
    for (;;) {
      CALL.lastIndex = end;
      const open = CALL.exec(text);
      const body = open?.[1]
        ? readArguments(text, end + open[0].length, { scope, name: open[1], closers: [END, END_ALL] })
        : undefined;
      if (!body) break;
      calls.push(body.call);
      end = skipMark(text, body.end, [END]) ?? body.end;
    }
    return calls.length > 0 ? { end: skipMark(text, end, [END_ALL]) ?? end, calls } : undefined;
  },
};
