/** A model from its reference to its files in `LMAGENT_HOME/models`. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { chooseFiles } from "./choose-files.ts";
import { downloadFailed } from "./failure.ts";
import { fetchFile } from "./fetch-file.ts";
import type { FileSource } from "./fetch-file.ts";
import { baseName, isSafeName } from "./file-name.ts";
import { fileUrl, listRepo } from "./hub.ts";
import type { HubAccess } from "./http.ts";
import { createRateMeter } from "./rate-meter.ts";
import type { ModelReference } from "./reference.ts";
import { DEFAULT_RETRY, withRetries } from "./retry.ts";
import type { RetryPolicy } from "./retry.ts";

export type DownloadEvent =
  /** What will be fetched, the model first. */
  | { type: "resolved"; files: readonly { path: string; sizeBytes?: number }[]; totalBytes?: number }
  /** Another process fetches it already. */
  | { type: "waiting"; path: string; pid?: number }
  | { type: "started"; path: string }
  /** Of all files together, several times a second. */
  | {
      type: "progress";
      downloadedBytes: number;
      totalBytes?: number;
      bytesPerSecond?: number;
      secondsLeft?: number;
    }
  | { type: "retry"; why: string; waitMs: number }
  /** What was there is thrown away. */
  | { type: "restarted"; path: string; why: string }
  | { type: "verifying"; path: string }
  | { type: "file"; path: string; result: "fetched" | "already_there" };

export interface FetchModelOptions {
  /** The folder of models: `OWNER/REPO/FILE.gguf` in it. */
  folder: string;
  access: HubAccess;
  signal: AbortSignal;
  onEvent: (event: DownloadEvent) => void;
  /** What the file must have; for models in one file. */
  sha256?: string | undefined;
  connections?: number;
  retry?: RetryPolicy;
}

export interface FetchedModel {
  /** Absolute path of the model, of a split one its first part. */
  path: string;
  result: "fetched" | "already_there";
}

interface PlannedFile extends FileSource {
  target: string;
}

const DEFAULT_CONNECTIONS = 4;
const LIST_TRIES = 4;
const PROGRESS_EVERY_MS = 250;

/** Throws `AgentError` `download_failed`, and the signal's reason; then the same call goes on where this one ended. */
export async function fetchModel(
  reference: ModelReference,
  options: FetchModelOptions,
): Promise<FetchedModel> {
  const { onEvent } = options;
  const files = await planFiles(reference, options);
  const totalBytes = sumSizes(files);
  onEvent({
    type: "resolved",
    files: files.map(({ target: path, sizeBytes }) => ({
      path,
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
    })),
    ...(totalBytes === undefined ? {} : { totalBytes }),
  });
  using progress = createProgress(totalBytes, onEvent);
  let result: FetchedModel["result"] = "already_there";
  for (const file of files) {
    if ((await fetchOne(file, options, progress)) === "fetched") result = "fetched";
  }
  return { path: files[0]?.target ?? "", result };
}

async function fetchOne(
  file: PlannedFile,
  { access, signal, onEvent, connections = DEFAULT_CONNECTIONS, retry = DEFAULT_RETRY }: FetchModelOptions,
  progress: Progress,
): Promise<FetchedModel["result"]> {
  const { target: path } = file;
  const result = await fetchFile(file, path, {
    access,
    reference: file.label,
    signal,
    connections,
    retry,
    onRetry: (why, waitMs) => onEvent({ type: "retry", why, waitMs }),
    onBytes: progress.add,
    onWait: (pid) => onEvent({ type: "waiting", path, ...(pid === undefined ? {} : { pid }) }),
    onStart: () => onEvent({ type: "started", path }),
    onRestart: (why) => onEvent({ type: "restarted", path, why }),
    onVerify: () => onEvent({ type: "verifying", path }),
  });
  if (result === "already_there") progress.add((await stat(path)).size);
  onEvent({ type: "file", path, result });
  return result;
}

async function planFiles(reference: ModelReference, options: FetchModelOptions): Promise<PlannedFile[]> {
  const { folder, sha256 } = options;
  if (reference.type === "url") {
    const url = new URL(reference.url);
    const name = decodeURIComponent(baseName(url.pathname));
    const host = isSafeName(url.hostname) ? url.hostname : "other";
    // Beside other publishers: where it comes from is all that is known.
    const target = join(folder, host, name.replace(/\.gguf$/i, ""), name);
    return [{ url: url.href, label: `${url.origin}${url.pathname}`, target, sha256 }];
  }
  const found = await planHubFiles(reference, options);
  const models = found.filter(({ target }) => !/mmproj/i.test(baseName(target)));
  if (sha256 !== undefined && models.length > 1) {
    const message = `The model has ${models.length} files, so one SHA-256 cannot be that of all. Leave it out: the hub has one for each, and they are checked.`;
    throw downloadFailed(message, { reference: reference.repo });
  }
  return found.map((file, index) =>
    index === 0 && sha256 !== undefined ? { ...file, sha256, exact: true } : file,
  );
}

async function planHubFiles(
  { repo, revision, file, quantization }: Extract<ModelReference, { type: "hub" }>,
  { folder, access, signal, onEvent, retry = DEFAULT_RETRY }: FetchModelOptions,
): Promise<PlannedFile[]> {
  const request = { repo, revision, reference: repo, signal };
  const onRetry = (why: string, waitMs: number): void => onEvent({ type: "retry", why, waitMs });
  // Nothing is under way yet, so a machine without a network is told soon.
  const policy = { ...retry, tries: Math.min(retry.tries, LIST_TRIES) };
  const listed = await withRetries(() => listRepo(access, request), { policy, signal, onRetry });
  const [owner = "", name = ""] = listed.repo.split("/");
  return chooseFiles(listed.files, { repo, file, quantization }).map(({ path, sizeBytes, sha256 }) => ({
    url: fileUrl(access, { repo: listed.repo, revision }, path),
    label: `${listed.repo}/${path}`,
    sizeBytes,
    sha256,
    target: join(folder, owner, name, baseName(path)),
  }));
}

function sumSizes(files: readonly PlannedFile[]): number | undefined {
  return files.every(({ sizeBytes }) => sizeBytes !== undefined)
    ? files.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
    : undefined;
}

interface Progress extends Disposable {
  add(count: number): void;
}

/** Tells also that nothing comes, so that a rate falls when a connection is silent. */
function createProgress(totalBytes: number | undefined, onEvent: (event: DownloadEvent) => void): Progress {
  const meter = createRateMeter();
  let downloadedBytes = 0;
  /** Bytes that were there before count for the total, and not for the rate. */
  let base: number | undefined;
  const tell = (): void => {
    if (base === undefined) return;
    meter.add(downloadedBytes - base);
    const bytesPerSecond = meter.bytesPerSecond();
    const left = totalBytes === undefined ? undefined : totalBytes - downloadedBytes;
    onEvent({
      type: "progress",
      downloadedBytes,
      ...(totalBytes === undefined ? {} : { totalBytes }),
      ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
      ...(bytesPerSecond !== undefined && bytesPerSecond > 0 && left !== undefined
        ? { secondsLeft: Math.max(0, Math.ceil(left / bytesPerSecond)) }
        : {}),
    });
  };
  const timer = setInterval(tell, PROGRESS_EVERY_MS);
  timer.unref();
  return {
    add: (count) => {
      downloadedBytes += count;
      base ??= downloadedBytes;
    },
    [Symbol.dispose]: () => {
      clearInterval(timer);
      tell();
    },
  };
}
