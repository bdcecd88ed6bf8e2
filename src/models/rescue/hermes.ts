import type { CallForm } from "./form.ts";
import { skipSpace } from "./form.ts";
import { readJsonCalls, skipMark } from "./json-calls.ts";

const CLOSERS = [
  "</tool_call>",
  "</tool_calls>",
  "<tool_call>",
  "</function_call>",
  "<tool_response>",
  "<|im_end|>",
];
const CLOSE = ["</tool_call>", "</tool_calls>", "</function_call>"];
const OPENERS = ["<tool_call>", "<tool_calls>", "<function_call>"];

/** Hermes, Qwen, Granite and many others: `<tool_call>{"name": …, "arguments": …}</tool_call>`, also with a list inside. */
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
    if (text[start] !== "{" && text[start] !== "[") return undefined;
    const block = readJsonCalls(text, start, scope, CLOSERS);
    const body = skipMark(text, block.end, ["```"]) ?? block.end;
    return { end: skipMark(text, body, CLOSE) ?? block.end, calls: block.calls };
  },
};
