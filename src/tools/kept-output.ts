/**
 * The output of a command as the model sees it: all of it while it is short; otherwise its first and last lines, and the whole
 * in a file. Memory stays bounded whatever comes.
 */
import type { OutputFile } from "../core/output-log.ts";

/** Parts of the budget for the first and the last lines; the rest is for the note between them. */
const HEAD_SHARE = 0.6;
const TAIL_SHARE = 0.35;

/** Output that waits to be saved; a disk that is slower than this loses the end. */
const MAX_UNSAVED_BYTES = 8 * 1_024 * 1_024;

export interface KeptOutputOptions {
  /** Most bytes of the text once it is written as JSON. */
  maxBytes: number;
  /** Called when the output turns out to be too long to be shown whole. */
  openFile?: () => OutputFile;
  /** What to do about output that was left out and is not saved. */
  advice?: string;
}

export interface KeptOutput {
  append(chunk: Uint8Array): void;
  /** Call once, after the last `append`. */
  finish(): Promise<string>;
}

export function createKeptOutput({ maxBytes, openFile, advice }: KeptOutputOptions): KeptOutput {
  const head: Uint8Array[] = [];
  const tail: Uint8Array[] = [];
  let headBytes = 0;
  let tailBytes = 0;
  let totalBytes = 0;
  let saving: Saving | undefined;

  const save = (chunk: Uint8Array): void => {
    if (openFile === undefined) return;
    saving ??= startSaving(openFile(), head);
    saving.append(chunk);
  };
  const append = (chunk: Uint8Array): void => {
    totalBytes += chunk.length;
    const room = Math.max(0, maxBytes - headBytes);
    if (totalBytes > maxBytes) save(chunk);
    if (room > 0) head.push(chunk.subarray(0, room));
    headBytes += Math.min(room, chunk.length);
    if (chunk.length > room) tail.push(chunk.subarray(room));
    tailBytes += Math.max(0, chunk.length - room);
    while (tail.length > 1 && tailBytes - tail[0]!.length >= maxBytes) tailBytes -= tail.shift()!.length;
  };
  const finish = async (): Promise<string> => {
    const first = Buffer.concat(head);
    const whole = totalBytes === headBytes ? decode(first) : undefined;
    if (whole !== undefined && jsonBytes(whole) <= maxBytes) return whole;
    if (openFile !== undefined) saving ??= startSaving(openFile(), head);
    const place = (await saving?.finish()) ?? advice;
    const last = Buffer.concat([first, ...tail]);
    return fitEnds({ first, last, totalBytes, maxBytes, place });
  };
  return { append, finish };
}

interface Saving {
  append(chunk: Uint8Array): void;
  /** Where the output lies, in words. */
  finish(): Promise<string>;
}

function startSaving(file: OutputFile, earlier: readonly Uint8Array[]): Saving {
  let unsaved = 0;
  let lost = false;
  let queue = Promise.resolve();
  const append = (chunk: Uint8Array): void => {
    lost ||= !file.complete || unsaved > MAX_UNSAVED_BYTES;
    if (lost) return;
    unsaved += chunk.length;
    queue = queue.then(async () => {
      await file.append(chunk);
      unsaved -= chunk.length;
    });
  };
  for (const chunk of earlier) append(chunk);
  return {
    append,
    async finish() {
      await queue;
      await file.close();
      return `${lost || !file.complete ? "its beginning" : "whole output"}: ${file.path}`;
    },
  };
}

interface Ends {
  first: Buffer;
  last: Buffer;
  totalBytes: number;
  maxBytes: number;
  place: string | undefined;
}

/** Escapes make a text longer in JSON, so the parts shrink until the whole fits. */
function fitEnds({ first, last, totalBytes, maxBytes, place }: Ends): string {
  let budget = maxBytes;
  for (;;) {
    const head = takeHead(first, Math.floor(budget * HEAD_SHARE));
    const tail = takeTail(last, Math.floor(budget * TAIL_SHARE));
    const left = totalBytes - head.length - tail.length;
    const note = `… ${left} bytes left out${place === undefined ? "" : `; ${place}`} …`;
    const text = `${decode(head).trimEnd()}\n${note}\n${decode(tail)}`;
    if (jsonBytes(text) <= maxBytes || budget < 64) return text;
    budget = Math.floor(budget * 0.8);
  }
}

/** Whole lines where the cut then loses less than half, whole characters in any case. */
function takeHead(bytes: Buffer, wanted: number): Buffer {
  if (bytes.length <= wanted) return bytes;
  const line = bytes.lastIndexOf(0x0a, wanted - 1) + 1;
  if (line > wanted / 2) return bytes.subarray(0, line);
  let end = wanted;
  while (end > 0 && isContinuation(bytes[end]!)) end -= 1;
  return bytes.subarray(0, end);
}

function takeTail(bytes: Buffer, wanted: number): Buffer {
  if (bytes.length <= wanted) return bytes;
  let start = bytes.length - wanted;
  const line = bytes.indexOf(0x0a, start - 1) + 1;
  if (line > 0 && line < start + wanted / 2) return bytes.subarray(line);
  while (start < bytes.length && isContinuation(bytes[start]!)) start += 1;
  return bytes.subarray(start);
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}
