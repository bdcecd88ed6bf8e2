import type { CallForm } from "./form.ts";

const OPEN = "<tool_call>";
const CLOSE = "</tool_call>";

/** `<tool_call>` around something that no form can read: still a call, so the model is told and the turn is not lost. */
export const malformed: CallForm = {
  name: "<tool_call> in text",
  openers: [OPEN],
  closers: [CLOSE],
  read(text, at) {
    const close = text.indexOf(CLOSE, at);
    const inner = text.slice(at + OPEN.length, close < 0 ? undefined : close);
    // A tag without an end may just as well be a word in a sentence.
    if (close < 0 && inner.trim() !== "") return undefined;
    const end = close < 0 ? text.length : close + CLOSE.length;
    const name = /^\s*([A-Za-z_][\w.-]*)/.exec(inner)?.[1] ?? "";
    const problem =
      'The call could not be read. Write it as <tool_call>{"name": "…", "arguments": {…}}</tool_call> with valid JSON.';
    return { end, calls: [{ name, arguments: undefined, raw: text.slice(at, end), problem }] };
  },
};
