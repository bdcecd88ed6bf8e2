import { toTerminalJson } from "../terminal-text.ts";
import { createSink, type TextOutput } from "./sink.ts";
import type { View } from "./plain-view.ts";

/** Writes each event as one line of JSON (`--json`). */
export function createJsonView({ stdout }: { stdout: TextOutput }): View {
  const sink = createSink(stdout);
  return {
    closed: sink.closed,
    onEvent: (event) => sink.write(`${toTerminalJson(event)}\n`),
    finish: async () => sink.finish(),
  };
}
