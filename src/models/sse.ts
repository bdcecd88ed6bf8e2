/** One event of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation). */
export interface SseEvent {
  /** Value of the `event:` field; empty when there was none. */
  event: string;
  /** Values of the `data:` fields, joined with newlines. */
  data: string;
}

export interface SseParser {
  push(bytes: Uint8Array): SseEvent[];
  /** What was left when the stream ended; many servers leave out the last blank line. */
  end(): SseEvent[];
}

/** Reads events from bytes that may be split anywhere, also inside a character or between CR and LF. */
export function createSseParser(): SseParser {
  const decoder = new TextDecoder();
  let buffer = "";
  let event = "";
  let data: string[] = [];

  const flush = (): SseEvent[] => {
    const found = data.length > 0 ? [{ event, data: data.join("\n") }] : [];
    event = "";
    data = [];
    return found;
  };
  const takeLine = (line: string): SseEvent[] => {
    if (line === "") return flush();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") data.push(value);
    if (field === "event") event = value;
    return [];
  };
  const takeLines = (final: boolean): SseEvent[] => {
    const found: SseEvent[] = [];
    let start = 0;
    for (let end = lineEnd(buffer, start, final); end; end = lineEnd(buffer, start, final)) {
      found.push(...takeLine(buffer.slice(start, end.at)));
      start = end.next;
    }
    buffer = buffer.slice(start);
    return found;
  };

  return {
    push(bytes) {
      buffer += decoder.decode(bytes, { stream: true });
      return takeLines(false);
    },
    end() {
      buffer += decoder.decode();
      const found = takeLines(true);
      if (buffer !== "") found.push(...takeLine(buffer));
      buffer = "";
      return [...found, ...flush()];
    },
  };
}

/** The end of the line that begins at `start`: CR LF, LF or CR alone. A CR at the end of the bytes may still get its LF. */
function lineEnd(text: string, start: number, final: boolean): { at: number; next: number } | undefined {
  const lf = text.indexOf("\n", start);
  const cr = text.slice(start, lf < 0 ? undefined : lf).indexOf("\r");
  if (cr < 0) return lf < 0 ? undefined : { at: lf, next: lf + 1 };
  const at = start + cr;
  if (at + 1 === text.length) return final ? { at, next: at + 1 } : undefined;
  return { at, next: text[at + 1] === "\n" ? at + 2 : at + 1 };
}
