import type { CallForm } from "./form.ts";

const BLOCK = /<tool_call>([\s\S]*?)(?:<\/tool_call>|$)/y;

/** `<tool_call>` around something that no form can read: still a call, so the model is told and the turn is not lost. */
export const malformed: CallForm = {
  name: "<tool_call> in text",
  openers: ["<tool_call>"],
  read(text, at) {
    BLOCK.lastIndex = at;
    const block = BLOCK.exec(text);
    if (!block) return undefined;
    const [raw, inner = ""] = block;
    const closed = raw.endsWith("</tool_call>");
    // A tag without an end may just as well be a word in a sentence.
    if (!closed && inner.trim() !== "") return undefined;
    const name = /^\s*([A-Za-z_][\w.-]*)/.exec(inner)?.[1] ?? "";
    const problem =
      'The call could not be read. Write it as <tool_call>{"name": "…", "arguments": {…}}</tool_call> with valid JSON.';
    return { end: at + raw.length, calls: [{ name, arguments: undefined, raw, problem }] };
  },
};
