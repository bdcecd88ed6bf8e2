/** What a scripted model server can answer with. */
export interface ScriptedReply {
  /** Default 200. */
  status?: number;
  headers?: Readonly<Record<string, string>>;
  /** Written one after the other, each as a packet of its own as far as the system allows. */
  parts: readonly ReplyPart[];
}

export type ReplyPart =
  | string
  | Uint8Array
  | { do: "wait"; ms: number }
  /** Never goes on, until the client or the test ends the connection. */
  | { do: "hang" }
  /** Breaks the connection. */
  | { do: "close" };

export interface ReplyOptions {
  /** Thinking sent before, in the field named by `thinkingField`. */
  thinking?: string;
  /** Default `reasoning_content`. */
  thinkingField?: "reasoning_content" | "reasoning" | "thinking";
  /** Default `stop`, or `tool_calls` when there are calls; `null` leaves it out. */
  finish?: string | null;
  usage?: Readonly<Record<string, unknown>>;
  timings?: Readonly<Record<string, unknown>>;
  /** Length of the pieces in characters; default 4. */
  pieceChars?: number;
  /** Whether `data: [DONE]` follows; default true. */
  done?: boolean;
}

export interface ScriptedCall {
  name: string;
  /** An object is written as JSON text. */
  arguments: string | Readonly<Record<string, unknown>>;
  id?: string;
}

/**
 * How the pieces of calls look: `standard` (index, id and name first, arguments in pieces), `no_index`, `no_id`, `empty_id`,
 * `index_zero` (ids differ, each call whole), `whole` (one frame a call), `object` (arguments as an object).
 */
export type CallStyle = "standard" | "no_index" | "no_id" | "empty_id" | "index_zero" | "whole" | "object";

/** A stream of frames; text is sent as it is, anything else as JSON after `data: `. */
export function streamReply(
  frames: readonly unknown[],
  { done = true }: { done?: boolean } = {},
): ScriptedReply {
  const parts = frames.map((frame) => (typeof frame === "string" ? frame : toEvent(frame)));
  return {
    headers: { "content-type": "text/event-stream" },
    parts: done ? [...parts, "data: [DONE]\n\n"] : parts,
  };
}

/** An ordinary answer in words. */
export function textReply(text: string, options: ReplyOptions = {}): ScriptedReply {
  const { pieceChars = 4 } = options;
  return finishStream(
    [...thinkingFrames(options), ...cut(text, pieceChars).map((content) => toChunk({ content }))],
    {
      finish: "stop",
      ...options,
    },
  );
}

/** An answer that calls tools, in the style of one server or another. */
export function callReply(
  calls: readonly ScriptedCall[],
  { style = "standard", text = "", ...options }: ReplyOptions & { style?: CallStyle; text?: string } = {},
): ScriptedReply {
  const { pieceChars = 4 } = options;
  const words = text === "" ? [] : cut(text, pieceChars).map((content) => toChunk({ content }));
  const frames = calls.flatMap((call, index) => callFrames(call, { index, style, pieceChars }));
  return finishStream([...thinkingFrames(options), ...words, ...frames], {
    finish: "tool_calls",
    ...options,
  });
}

/** A document instead of a stream. */
export function jsonReply(
  value: unknown,
  { status = 200, headers = {} }: Omit<ScriptedReply, "parts"> = {},
): ScriptedReply {
  return {
    status,
    headers: { "content-type": "application/json", ...headers },
    parts: [JSON.stringify(value)],
  };
}

/** An error as OpenAI's servers word it. */
export function errorReply(
  status: number,
  message: string,
  { headers = {}, ...fields }: { headers?: Record<string, string>; [field: string]: unknown } = {},
): ScriptedReply {
  return jsonReply(
    { error: { message, type: "server_error", code: status, ...fields } },
    { status, headers },
  );
}

/** A web page, as a wrong address gives. */
export function htmlReply(html: string, { status = 200 }: { status?: number } = {}): ScriptedReply {
  return { status, headers: { "content-type": "text/html" }, parts: [html] };
}

/** Ends another reply by breaking the connection after `parts` of its parts. */
export function brokenReply(reply: ScriptedReply, parts: number): ScriptedReply {
  return { ...reply, parts: [...reply.parts.slice(0, parts), { do: "close" }] };
}

/** Takes the request and never answers, or not after `parts` of another reply. */
export function hangingReply(reply: ScriptedReply = { parts: [] }, parts = 0): ScriptedReply {
  return { ...reply, parts: [...reply.parts.slice(0, parts), { do: "hang" }] };
}

/** One frame of a stream. */
export function toChunk(
  delta: unknown,
  { finish = null }: { finish?: string | null } = {},
): Readonly<Record<string, unknown>> {
  return {
    id: "chatcmpl-scripted",
    object: "chat.completion.chunk",
    created: 0,
    model: "scripted",
    choices: [{ index: 0, delta, finish_reason: finish }],
  };
}

function finishStream(frames: readonly unknown[], options: ReplyOptions): ScriptedReply {
  const { finish = "stop", usage, timings, done = true } = options;
  const last = finish === null ? [] : [{ ...toChunk({}, { finish }), ...(timings ? { timings } : {}) }];
  const counts = usage ? [{ ...toChunk({}), choices: [], usage }] : [];
  return streamReply([toChunk({ role: "assistant", content: null }), ...frames, ...last, ...counts], {
    done,
  });
}

function thinkingFrames({
  thinking = "",
  thinkingField = "reasoning_content",
  pieceChars = 4,
}: ReplyOptions): unknown[] {
  return thinking === "" ? [] : cut(thinking, pieceChars).map((piece) => toChunk({ [thinkingField]: piece }));
}

interface CallPlace {
  index: number;
  style: CallStyle;
  pieceChars: number;
}

function callFrames(call: ScriptedCall, { index, style, pieceChars }: CallPlace): unknown[] {
  const text = typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments);
  const id = style === "no_id" ? undefined : style === "empty_id" ? "" : (call.id ?? `call_${index}`);
  const place = style === "no_index" ? {} : { index: style === "index_zero" ? 0 : index };
  const head = { ...place, ...(id === undefined ? {} : { id }), type: "function" };
  const whole = style === "whole" || style === "index_zero" || style === "object";
  if (whole) {
    const args = style === "object" ? call.arguments : text;
    return [toChunk({ tool_calls: [{ ...head, function: { name: call.name, arguments: args } }] })];
  }
  return [
    toChunk({ tool_calls: [{ ...head, function: { name: call.name, arguments: "" } }] }),
    ...cut(text, pieceChars).map((piece) =>
      toChunk({
        tool_calls: [{ ...place, ...(style === "empty_id" ? { id } : {}), function: { arguments: piece } }],
      }),
    ),
  ];
}

function toEvent(frame: unknown): string {
  return `data: ${JSON.stringify(frame)}\n\n`;
}

/** By code points, so that no character is cut. */
function cut(text: string, length: number): string[] {
  const letters = Array.from(text);
  const pieces: string[] = [];
  for (let at = 0; at < letters.length; at += length) pieces.push(letters.slice(at, at + length).join(""));
  return pieces;
}
