/** The door of the line views: light, no screen library. */
export { createTerminalApprover, type TerminalApproverOptions } from "./ask.ts";
export { createJsonView } from "./json-view.ts";
export { createPlainView, type PlainViewOptions, type View } from "./plain-view.ts";
export type { TextOutput } from "./sink.ts";
