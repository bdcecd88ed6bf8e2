import { createSseParser } from "./sse.ts";

/** What a chat server sends, one frame after the other. */
export type Frame =
  | { type: "json"; value: Readonly<Record<string, unknown>> }
  /** `data: [DONE]`: the reply is complete. */
  | { type: "done" }
  /** Something that is not the protocol: a page of HTML, a line that is no JSON. */
  | { type: "garbage"; text: string };

/** Longest answer that is read as one JSON document or shown as garbage. */
const WHOLE_BODY_BYTES = 64 * 1024 * 1024;
const GARBAGE_CHARS = 2_000;

/** Reads a streamed answer, and also the plain JSON, one document or one a line, that some servers give instead. */
export async function* readFrames(body: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const parser = createSseParser();
  const start: Uint8Array[] = [];
  let whole: WholeBody | undefined;
  let streaming = false;
  for await (const bytes of body) {
    if (whole) whole.push(bytes);
    if (streaming) yield* toFrames(parser.push(bytes));
    if (whole || streaming) continue;
    start.push(bytes);
    const first = firstCharacter(start);
    if (first === undefined) continue;
    whole = /[{[<]/.test(first) ? createWholeBody() : undefined;
    streaming = whole === undefined;
    for (const held of start) {
      if (whole) whole.push(held);
      else yield* toFrames(parser.push(held));
    }
  }
  if (whole) yield* wholeFrames(whole.text());
  if (!streaming) return;
  yield* toFrames(parser.end());
  const text = toText(start).trimStart();
  // Lines that are no fields of an event leave no trace in the parser.
  if (!/^(?:data|event|id|retry)?:/.test(text)) yield { type: "garbage", text: text.slice(0, GARBAGE_CHARS) };
}

interface WholeBody {
  push(bytes: Uint8Array): void;
  text(): string;
}

function createWholeBody(): WholeBody {
  const decoder = new TextDecoder();
  let text = "";
  return {
    push(bytes) {
      if (text.length < WHOLE_BODY_BYTES) text += decoder.decode(bytes, { stream: true });
    },
    text: () => text + decoder.decode(),
  };
}

function firstCharacter(chunks: readonly Uint8Array[]): string | undefined {
  return toText(chunks).trimStart()[0];
}

function toText(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return chunks.map((bytes) => decoder.decode(bytes, { stream: true })).join("");
}

/** One document, or one on each line: a stream without the frames of events. */
function wholeFrames(text: string): Frame[] {
  const frame = toFrame(text);
  if (frame.type === "json") return [frame];
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const [first, ...others] = lines.map((line) => toFrame(line.trim()));
  return first?.type === "json" ? [first, ...others] : [frame];
}

function toJsonFrame(text: string): Frame | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    const value: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
    if (typeof value !== "object" || value === null) return undefined;
    return { type: "json", value: value as Record<string, unknown> };
  } catch {
    return undefined;
  }
}

function* toFrames(events: readonly { event: string; data: string }[]): Generator<Frame> {
  for (const { event, data } of events) {
    const text = data.trim();
    if (text === "") continue;
    const frame = toFrame(text);
    // Servers that put no blank line between two frames make them look like one of two lines.
    const frames = frame.type === "garbage" && text.includes("\n") ? text.split("\n").map(toFrame) : [frame];
    for (const one of frames) yield event === "error" ? toErrorFrame(one) : one;
  }
}

function toFrame(text: string): Frame {
  if (text === "[DONE]" || text === "DONE") return { type: "done" };
  return toJsonFrame(text) ?? { type: "garbage", text: text.slice(0, GARBAGE_CHARS) };
}

function toErrorFrame(frame: Frame): Frame {
  if (frame.type === "done") return frame;
  if (frame.type === "garbage") return { type: "json", value: { error: frame.text } };
  return "error" in frame.value ? frame : { type: "json", value: { error: frame.value } };
}
