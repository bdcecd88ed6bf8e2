/** One file, from its address to its place: as a `.part`, checked, and then under its name at once. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage } from "../../core/errors.ts";
import { readGgufHeader } from "../gguf/header.ts";
import { acquireLock } from "./download-lock.ts";
import { downloadFailed, RangesIgnored, TransferError, UpstreamChanged } from "./failure.ts";
import { baseName } from "./file-name.ts";
import { openPartFile, readPartBytes, removePart, toDiskError } from "./part-file.ts";
import type { PartIdentity } from "./part-file.ts";
import { fetchSegments, fetchWhole, probeFile } from "./transfer.ts";
import type { RemoteFile, TransferContext } from "./transfer.ts";

export interface FileSource {
  url: string;
  /** Of the hub `owner/repo/path`; for errors. */
  label: string;
  /** As the hub lists it. */
  sizeBytes?: number | undefined;
  sha256?: string | undefined;
  /** The user named the hash: what lies there is believed by nothing else. */
  exact?: boolean;
}

export interface FetchFileContext extends TransferContext {
  onWait: (pid: number | undefined) => void;
  /** It is not there, and nobody else brings it. */
  onStart: () => void;
  onRestart: (why: string) => void;
  onVerify: () => void;
}

/** A disk is never filled to its last byte. */
const SPARE_BYTES = 64_000_000;
/** A file that changes more often than this while it is fetched is not worth waiting for. */
const RESTARTS = 3;

/**
 * `target`: absolute path. Throws `AgentError` `download_failed`, and the signal's reason, after which the same call goes on where this
 * one ended.
 */
export async function fetchFile(
  source: FileSource,
  target: string,
  context: FetchFileContext,
): Promise<"fetched" | "already_there"> {
  if (await isThere(source, target)) return "already_there";
  await mkdir(dirname(target), { recursive: true }).catch((thrown: unknown) => {
    throw toDiskError(thrown, dirname(target));
  });
  const { signal, onWait } = context;
  await using _lock = await acquireLock(`${target}.lock`, { signal, onWait });
  // Whoever had the lock may have brought it.
  if (await isThere(source, target)) return "already_there";
  context.onStart();
  const partPath = `${target}.part`;
  for (let restarts = 0; ; restarts += 1) {
    try {
      await bringPart(source, partPath, context);
      await checkPart(source, partPath, context);
      await moveIntoPlace(partPath, target);
      return "fetched";
    } catch (thrown) {
      if (!(thrown instanceof UpstreamChanged)) throw thrown;
      await removePart(partPath);
      if (restarts >= RESTARTS) throw keepsChanging(context.reference, thrown);
      context.onRestart(thrown.message);
    }
  }
}

/** By its size: to read gigabytes again each time would be worth less than it costs. */
async function isThere({ sizeBytes, sha256, exact = false }: FileSource, target: string): Promise<boolean> {
  const found = await stat(target).catch(() => undefined);
  if (found === undefined || !found.isFile()) return false;
  if (sizeBytes !== undefined && found.size !== sizeBytes) return false;
  return sha256 === undefined || (!exact && sizeBytes !== undefined) || (await hashFile(target)) === sha256;
}

async function bringPart(source: FileSource, partPath: string, context: FetchFileContext): Promise<void> {
  const remote = await probeFile(source.url, context);
  checkSize(source, remote, context.reference);
  const { totalBytes, etag, ranges } = remote;
  if (!ranges || totalBytes === undefined) return bringWhole(source, partPath, { remote, context });
  const identity: PartIdentity = { source: toSource(source.url), totalBytes, etag };
  await checkSpace(partPath, totalBytes - (await readPartBytes(partPath, identity)));
  const flush = source.sha256 === undefined;
  try {
    await using part = await openPartFile(partPath, identity, { connections: context.connections, flush });
    context.onBytes(part.doneBytes);
    try {
      await fetchSegments(source.url, part, { identity, context });
    } catch (thrown) {
      if (isBegunAnew(thrown)) context.onBytes(-part.doneBytes);
      throw thrown;
    }
  } catch (thrown) {
    if (!(thrown instanceof RangesIgnored)) throw thrown;
    await bringWhole(source, partPath, { remote, context });
  }
}

function isBegunAnew(thrown: unknown): boolean {
  return thrown instanceof RangesIgnored || thrown instanceof UpstreamChanged;
}

async function bringWhole(
  { url }: FileSource,
  partPath: string,
  { remote, context }: { remote: RemoteFile; context: FetchFileContext },
): Promise<void> {
  await removePart(partPath);
  await checkSpace(partPath, remote.totalBytes ?? 0);
  const write = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    const file = await open(partPath, "w", 0o644).catch((thrown: unknown) => {
      throw toDiskError(thrown, partPath);
    });
    try {
      for await (const chunk of chunks)
        await file.writeFile(chunk).catch((thrown: unknown) => {
          throw toDiskError(thrown, partPath);
        });
    } finally {
      await file.close();
    }
  };
  await fetchWhole(url, write, context);
}

/** A signed address is another one each time. */
function toSource(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function checkSize({ sizeBytes }: FileSource, { totalBytes }: RemoteFile, reference: string): void {
  if (sizeBytes === undefined || totalBytes === undefined || sizeBytes === totalBytes) return;
  const message = `The hub lists \`${reference}\` with ${sizeBytes} bytes and gives ${totalBytes}. It may just be changing; try again later.`;
  throw downloadFailed(message, { reference });
}

async function checkSpace(partPath: string, neededBytes: number): Promise<void> {
  const facts = await statfs(dirname(partPath)).catch(() => undefined);
  if (facts === undefined) return;
  const freeBytes = facts.bavail * facts.bsize;
  // A small disk is not refused for the sake of what should be left.
  const spare = Math.min(SPARE_BYTES, neededBytes / 10);
  if (neededBytes === 0 || freeBytes >= neededBytes + spare) return;
  const message = `There is no room for \`${baseName(partPath)}\`: it needs ${toSize(neededBytes)} more, and ${toSize(freeBytes)} are free at \`${dirname(partPath)}\`. Free some space, or set LMAGENT_HOME to a larger disk.`;
  throw downloadFailed(message, { requiredBytes: neededBytes, availableBytes: freeBytes });
}

function toSize(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

async function checkPart(source: FileSource, partPath: string, context: FetchFileContext): Promise<void> {
  const { reference, signal, onVerify } = context;
  if (source.sha256 !== undefined) {
    onVerify();
    const actual = await hashFile(partPath, signal);
    if (actual !== source.sha256) {
      await removePart(partPath);
      const message = `\`${reference}\` arrived damaged: its SHA-256 is ${actual}, and should be ${source.sha256}. Start the download again; if it says the same, the file at its address is another one.`;
      throw downloadFailed(message, { reference, expected: source.sha256, actual });
    }
  }
  try {
    await readGgufHeader(partPath);
  } catch (cause) {
    await removePart(partPath);
    const message = `What came for \`${reference}\` is no usable GGUF file: ${errorMessage(cause)}`;
    throw downloadFailed(message, { cause, reference });
  }
}

async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const stream = createReadStream(path, {
    highWaterMark: 1 << 20,
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) hash.update(chunk);
  } catch (thrown) {
    signal?.throwIfAborted();
    throw toDiskError(thrown, path);
  }
  return hash.digest("hex");
}

async function moveIntoPlace(partPath: string, target: string): Promise<void> {
  try {
    const file = await open(partPath, "r+");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partPath, target);
  } catch (thrown) {
    throw toDiskError(thrown, target);
  }
  await removePart(partPath);
}

function keepsChanging(reference: string, thrown: UpstreamChanged): Error {
  const message = `\`${reference}\` changes while it is fetched: ${thrown.message}. Try again later.`;
  return downloadFailed(message, { cause: new TransferError(thrown.message), reference });
}
