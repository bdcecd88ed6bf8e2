import type { CallForm } from "./form.ts";
import { skipSpace } from "./form.ts";
import { readJsonCalls, skipMark } from "./json-calls.ts";

const OPENERS = ["<|tool_call|>", "functools["];
const ENDS = ["<|/tool_call|>", "<|end|>", "<|end_of_text|>"];

/** Granite and Phi: `<|tool_call|>[{"name": …, "arguments": …}]`; older Phi and functionary: `functools[…]`. */
export const granite: CallForm = {
  name: "<|tool_call|> in text",
  openers: OPENERS,
  closers: ["<|/tool_call|>"],
  read(text, at, scope) {
    const opener = OPENERS.find((one) => text.startsWith(one, at)) ?? "";
    const start = skipSpace(text, at + opener.replace("[", "").length);
    if (text[start] !== "[" && text[start] !== "{") return undefined;
    const block = readJsonCalls(text, start, scope, ENDS);
    return { end: skipMark(text, block.end, ENDS) ?? block.end, calls: block.calls };
  },
};
