import type { CallForm, WrittenCall } from "./form.ts";
import { skipSpace } from "./form.ts";
import { readJsonCalls, skipMark } from "./json-calls.ts";

const OPENER = "<|python_tag|>";
const ENDS = ["<|eom_id|>", "<|eot_id|>"];

/** Llama 3: `<|python_tag|>{"type": "function", "name": …, "parameters": …}`, several separated by `;`. */
export const llama: CallForm = {
  name: "<|python_tag|> in text",
  openers: [OPENER],
  closers: ENDS,
  read(text, at, scope) {
    const calls: WrittenCall[] = [];
    let end = at + OPENER.length;
    for (
      let start: number | undefined = end;
      start !== undefined;
      start = skipMark(text, end, [";", ",", OPENER])
    ) {
      const first = text[skipSpace(text, start)];
      if (first !== "{" && first !== "[") break;
      const block = readJsonCalls(text, start, scope, ENDS);
      calls.push(...block.calls);
      end = block.end;
    }
    return calls.length > 0 ? { end: skipMark(text, end, ENDS) ?? end, calls } : undefined;
  },
};
