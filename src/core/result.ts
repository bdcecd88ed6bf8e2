import { escapeControlTokens, mapTexts } from "./control-tokens.ts";
import { byteLength } from "./message-size.ts";
import type { ToolFailure, ToolResult } from "./tool.ts";

/** Paths, names and the like, which mean nothing when cut. */
const SHORT_TEXT_BYTES = 60;
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

export function failure(error: string): ToolFailure {
  return { ok: false, error };
}

export interface ResultForm {
  maxBytes: number;
  /** Only these fields; absent: all. */
  fields?: readonly string[] | undefined;
}

/** The content of a tool message. Nothing in it can end the message for a server that reads control tokens in texts. */
export function toResultText(result: ToolResult, { maxBytes, fields }: ResultForm): string {
  const kept = fields
    ? Object.fromEntries(Object.entries(result).filter(([field]) => fields.includes(field)))
    : result;
  const safe = mapTexts(kept as ToolResult, escapeControlTokens);
  return JSON.stringify(capResult(safe, maxBytes), replaceLoneSurrogates);
}

/** Half a character from a cut text or a broken file makes strict servers refuse the whole conversation, now and for ever. */
function replaceLoneSurrogates(_key: string, value: unknown): unknown {
  return typeof value === "string" ? toWellFormed(value) : value;
}

export function toWellFormed(text: string): string {
  return text.replace(LONE_SURROGATE, "\uFFFD");
}

/** Cuts the long texts of a result so that its JSON fits; what was left out is said in place. */
export function capResult(result: ToolResult, maxBytes: number): ToolResult {
  let capped = result;
  // Escapes make JSON longer than the texts in it, so the texts shrink until the whole fits.
  for (
    let budget = maxBytes;
    byteLength(JSON.stringify(capped)) > maxBytes && budget > 1;
    budget = Math.floor(budget * 0.8)
  ) {
    capped = shortenTexts(result, budget);
  }
  return capped;
}

/** The texts share the budget by their lengths; short ones stay. */
function shortenTexts(result: ToolResult, maxBytes: number): ToolResult {
  const texts = Object.entries(result).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  const total = texts.reduce((sum, [, text]) => sum + byteLength(text), 0);
  const shortened: Record<string, unknown> = { ...result };
  for (const [field, text] of texts) {
    const size = byteLength(text);
    shortened[field] = capText(
      text,
      Math.max(Math.floor((size / total) * maxBytes), Math.min(size, SHORT_TEXT_BYTES, maxBytes)),
    );
  }
  return shortened as ToolResult;
}

/** Keeps the head and the tail of a text, cut at lines where that costs little, with a note about the middle. */
export function capText(text: string, maxBytes: number): string {
  const size = byteLength(text);
  if (size <= maxBytes) return text;
  const head = takeHead(text, Math.floor(maxBytes * 0.6));
  const tail = takeTail(text, Math.floor(maxBytes * 0.3));
  return `${head}\n[… ${size - byteLength(head) - byteLength(tail)} bytes left out …]\n${tail}`;
}

function takeHead(text: string, maxBytes: number): string {
  let head = text.slice(0, maxBytes);
  while (byteLength(head) > maxBytes) head = head.slice(0, Math.floor(head.length * 0.9));
  const end = head.lastIndexOf("\n");
  return dropHalfPair(end > head.length * 0.8 ? head.slice(0, end) : head);
}

function takeTail(text: string, maxBytes: number): string {
  let tail = maxBytes === 0 ? "" : text.slice(-maxBytes);
  while (byteLength(tail) > maxBytes) tail = tail.slice(Math.ceil(tail.length * 0.1));
  const start = tail.indexOf("\n");
  const lines = start >= 0 && start < tail.length * 0.2 ? tail.slice(start + 1) : tail;
  return /^[\uDC00-\uDFFF]/.test(lines) ? lines.slice(1) : lines;
}

function dropHalfPair(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
}
