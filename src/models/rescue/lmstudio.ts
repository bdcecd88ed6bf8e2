import type { CallForm } from "./form.ts";
import { readJsonCalls, skipMark } from "./json-calls.ts";

const OPENER = "[TOOL_REQUEST]";
const END = "[END_TOOL_REQUEST]";

/** LM Studio's own form for models whose template knows no tools: `[TOOL_REQUEST]{…}[END_TOOL_REQUEST]`. */
export const lmstudio: CallForm = {
  name: "[TOOL_REQUEST] in text",
  openers: [OPENER],
  closers: [END],
  read(text, at, scope) {
    const block = readJsonCalls(text, at + OPENER.length, scope, [END, OPENER]);
    return { end: skipMark(text, block.end, [END]) ?? block.end, calls: block.calls };
  },
};
