/** Brings the bytes of one file here: in ranges, several at a time, each going on where it was cut. */
import { setTimeout as delay } from "node:timers/promises";
import { downloadFailed, RangesIgnored, TransferError, UpstreamChanged } from "./failure.ts";
import { openUrl, toEtag } from "./http.ts";
import type { Answer, HubAccess } from "./http.ts";
import type { PartFile, PartIdentity, Segment } from "./part-file.ts";
import { withRetries } from "./retry.ts";
import type { RetryPolicy } from "./retry.ts";

export interface TransferContext {
  access: HubAccess;
  /** What the user asked for, for errors. */
  reference: string;
  signal: AbortSignal;
  connections: number;
  retry: RetryPolicy;
  onRetry: (why: string, waitMs: number) => void;
  onBytes: (count: number) => void;
}

/** What a first look at a file tells. */
export interface RemoteFile {
  /** Absent: the server does not say. */
  totalBytes: number | undefined;
  etag: string | undefined;
  ranges: boolean;
}

const NOTE_EVERY_MS = 250;
/** Of every GGUF file. */
const MAGIC = "GGUF";

/** Asks for the first byte only. Throws like `openUrl`. */
export async function probeFile(url: string, context: TransferContext): Promise<RemoteFile> {
  const { access, reference, signal, retry, onRetry } = context;
  return withRetries(
    async () => {
      const headers = { range: "bytes=0-0" };
      const answer = await openUrl(url, access, { signal, reference, headers });
      answer.close();
      const range = parseContentRange(answer);
      if (answer.status === 206 && range?.total !== undefined)
        return { totalBytes: range.total, etag: etagOf(answer), ranges: true };
      const length = Number(answer.headers.get("content-length") ?? Number.NaN);
      const totalBytes = answer.status === 200 && Number.isSafeInteger(length) ? length : undefined;
      return { totalBytes, etag: etagOf(answer), ranges: false };
    },
    { policy: retry, signal, onRetry },
  );
}

/** All segments that are not complete. Throws `UpstreamChanged`, `RangesIgnored`, `download_failed`, and the signal's reason. */
export async function fetchSegments(
  url: string,
  part: PartFile,
  { identity, context }: { identity: PartIdentity; context: TransferContext },
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const waiting = part.segments.filter(({ start, end, done }) => done < end - start);
  const work = async (): Promise<void> => {
    for (let segment = waiting.shift(); segment !== undefined; segment = waiting.shift())
      await fetchSegment(url, segment, { part, identity, context: { ...context, signal } });
  };
  const saver = saveNowAndThen(part, signal);
  try {
    const workers = Array.from({ length: Math.min(context.connections, waiting.length) }, work);
    await Promise.all(
      workers.map((worker) =>
        worker.catch((thrown: unknown) => {
          stop.abort(thrown);
          throw thrown;
        }),
      ),
    );
  } finally {
    stop.abort();
    await saver;
  }
}

interface SegmentContext {
  part: PartFile;
  identity: PartIdentity;
  context: TransferContext;
}

async function fetchSegment(
  url: string,
  segment: Segment,
  { part, identity, context }: SegmentContext,
): Promise<void> {
  const { access, reference, signal, retry: policy, onRetry, onBytes } = context;
  const length = segment.end - segment.start;
  const fetchRest = async (): Promise<void> => {
    const from = segment.start + segment.done;
    const headers = { range: `bytes=${from}-${segment.end - 1}` };
    const answer = await openUrl(url, access, { signal, reference, headers });
    try {
      checkRange(answer, { from, identity });
      for await (const chunk of answer.body()) {
        signal.throwIfAborted();
        const wanted = chunk.subarray(0, length - segment.done);
        if (from === 0 && segment.done === 0) checkMagic(wanted, reference);
        await part.write(segment, wanted);
        onBytes(wanted.length);
        if (segment.done >= length) break;
      }
    } finally {
      answer.close();
    }
    if (segment.done < length) throw new TransferError("The server ended a reply before its end.");
  };
  await withRetries(fetchRest, { policy, signal, onRetry, progress: () => segment.done });
}

function checkRange(answer: Answer, { from, identity }: { from: number; identity: PartIdentity }): void {
  if (answer.status === 200) throw new RangesIgnored("the whole file came instead of a part of it");
  const range = parseContentRange(answer);
  if (answer.status !== 206 || range === undefined || range.start !== from)
    throw new TransferError("The server sent another part than the one that was asked for.");
  const isSame =
    (range.total ?? identity.totalBytes) === identity.totalBytes && etagOf(answer) === identity.etag;
  if (!isSame) throw new UpstreamChanged("another file is at its address now");
}

/** From the beginning to the end in one reply, for servers without ranges; after a cut all over again. */
export async function fetchWhole(
  url: string,
  write: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
  context: TransferContext,
): Promise<void> {
  const { access, reference, signal, retry, onRetry, onBytes } = context;
  await withRetries(
    async () => {
      let received = 0;
      const answer = await openUrl(url, access, { signal, reference });
      const expected = Number(answer.headers.get("content-length") ?? Number.NaN);
      const counted = async function* counted(): AsyncGenerator<Uint8Array, void, void> {
        for await (const chunk of answer.body()) {
          signal.throwIfAborted();
          if (received === 0) checkMagic(chunk, reference);
          received += chunk.length;
          onBytes(chunk.length);
          yield chunk;
        }
        if (Number.isFinite(expected) && received < expected)
          throw new TransferError("The server ended a reply before its end.");
      };
      try {
        await write(counted());
      } catch (thrown) {
        onBytes(-received);
        throw thrown;
      } finally {
        answer.close();
      }
    },
    { policy: retry, signal, onRetry },
  );
}

/** A page of HTML is noticed before gigabytes of something else are fetched. */
function checkMagic(chunk: Uint8Array, reference: string): void {
  const start = Buffer.from(chunk.subarray(0, MAGIC.length)).toString("latin1");
  if (start === MAGIC.slice(0, start.length)) return;
  throw downloadFailed(`What is at \`${reference}\` is no GGUF file: it does not start with \`${MAGIC}\`.`, {
    reference,
  });
}

function etagOf({ linkedEtag, headers }: Answer): string | undefined {
  return linkedEtag ?? toEtag(headers.get("etag")) ?? headers.get("last-modified") ?? undefined;
}

/** `bytes 0-99/1000` (RFC 9110, 14.4). */
function parseContentRange({ headers }: Answer): { start: number; total: number | undefined } | undefined {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/i.exec(headers.get("content-range") ?? "") ?? [];
  if (start === undefined) return undefined;
  return { start: Number(start), total: total === "*" ? undefined : Number(total) };
}

async function saveNowAndThen(part: PartFile, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(NOTE_EVERY_MS, undefined, { signal }).catch(() => undefined);
    // A disk that is full is noticed by the next write of bytes.
    await part.save().catch(() => undefined);
  }
}
