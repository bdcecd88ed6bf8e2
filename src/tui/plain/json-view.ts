import type { AgentEvent } from "../../core/index.ts";
import { createSink, type TextOutput } from "./sink.ts";
import type { View } from "./plain-view.ts";

/** What JSON leaves as it is but a terminal or a viewer may act on; escaping changes nothing for a JSON reader. */
const UNSAFE_IN_JSON =
  // oxlint-disable-next-line no-control-regex -- finding control characters is the purpose
  /[\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Writes each event as one line of JSON (`--json`). */
export function createJsonView({ stdout }: { stdout: TextOutput }): View {
  const sink = createSink(stdout);
  return {
    closed: sink.closed,
    onEvent: (event) => sink.write(`${toJsonLine(event)}\n`),
    finish: async () => sink.finish(),
  };
}

function toJsonLine(event: AgentEvent): string {
  return JSON.stringify(event).replace(
    UNSAFE_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
