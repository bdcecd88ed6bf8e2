/** Output while it comes: decoded across chunks, and told about a few times a second at most. */
import type { ToolContext } from "../core/tool.ts";

const PAUSE_MS = 30;
/** Between parts of a flood, which nobody can read. */
const FLOOD_PAUSE_MS = 500;
const FLOOD_CHARACTERS = 200_000;
/** Most characters told about at once; a screen cannot show more, and a log should not hold more. */
const MAX_CHARACTERS = 16_000;

export interface LiveOutput {
  append(chunk: Uint8Array, stream: "stdout" | "stderr"): void;
  /** Tells what is left. */
  end(): void;
}

export function createLiveOutput(context: Pick<ToolContext, "emit">): LiveOutput {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  let waiting = "";
  let skipped = 0;
  let told = 0;
  let timer: NodeJS.Timeout | undefined;

  const take = (text: string): void => {
    waiting += text;
    if (waiting.length <= MAX_CHARACTERS) return;
    skipped += waiting.length - MAX_CHARACTERS;
    waiting = waiting.slice(-MAX_CHARACTERS);
  };
  const tell = (): void => {
    timer = undefined;
    const text = skipped === 0 ? waiting : `\n… ${skipped} characters not shown …\n${waiting}`;
    waiting = "";
    skipped = 0;
    told += text.length;
    if (text !== "") context.emit({ type: "output", text });
  };
  return {
    append(chunk, stream) {
      take(decoders[stream].decode(chunk, { stream: true }));
      timer ??= setTimeout(tell, told < FLOOD_CHARACTERS ? PAUSE_MS : FLOOD_PAUSE_MS);
    },
    end() {
      clearTimeout(timer);
      take(decoders.stdout.decode() + decoders.stderr.decode());
      tell();
    },
  };
}
