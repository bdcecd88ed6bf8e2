/** Downloads that the server runs, from the hub only: each a job that goes on when who asked for it has left. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { AgentError, errorMessage } from "../../core/errors.ts";
import type { DownloadJob, Downloads, DownloadStatus } from "./downloads.ts";
import { downloadFailed } from "./failure.ts";
import { fetchModel } from "./fetch-model.ts";
import type { DownloadEvent, FetchedModel } from "./fetch-model.ts";
import type { HubAccess } from "./http.ts";
import { parseReference } from "./reference.ts";
import type { ModelReference } from "./reference.ts";
import type { RetryPolicy } from "./retry.ts";

export interface DownloadsOptions {
  /** `LMAGENT_HOME`. */
  home: string;
  /** Read when a download starts, so that a new token counts at once. */
  access: () => Promise<HubAccess>;
  log: (line: string) => void;
  /** A model has come: a list of models may be read anew. */
  onFetched?: (path: string) => void;
  retry?: RetryPolicy;
}

/** Ended jobs that can still be asked about. */
const KEPT_JOBS = 100;

interface Running {
  job: { -readonly [Key in keyof DownloadJob]: DownloadJob[Key] };
  key: string;
  abort: AbortController;
  /** Something is fetched, or nothing has to be. */
  resolved: Promise<void>;
  ended: Promise<void>;
}

export function createDownloads(options: DownloadsOptions): Downloads {
  return new DownloadList(options);
}

class DownloadList implements Downloads {
  readonly #options: DownloadsOptions;
  readonly #jobs = new Map<string, Running>();

  constructor(options: DownloadsOptions) {
    this.#options = options;
  }

  async start({ model, quantization }: { model: string; quantization?: string }): Promise<DownloadJob> {
    const access = await this.#options.access();
    const reference = parseReference(model, { quantization, endpoint: access.endpoint });
    if (reference.type === "url") throw notFromHub(model);
    const key = JSON.stringify(reference).toLowerCase();
    const known = [...this.#jobs.values()].find((one) => one.key === key && isRunning(one.job.status));
    const running = known ?? this.#begin(model, key, { reference, access });
    await running.resolved;
    return { ...running.job };
  }

  get(id: string): DownloadJob | undefined {
    const running = this.#jobs.get(id);
    return running && { ...running.job };
  }

  list(): readonly DownloadJob[] {
    return [...this.#jobs.values()].map(({ job }) => ({ ...job }));
  }

  async cancel(id: string): Promise<boolean> {
    const running = this.#jobs.get(id);
    if (running === undefined || !isRunning(running.job.status)) return false;
    running.abort.abort();
    await running.ended;
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#jobs.keys()].map((id) => this.cancel(id)));
  }

  #begin(
    model: string,
    key: string,
    { reference, access }: { reference: ModelReference; access: HubAccess },
  ): Running {
    this.#forgetOld();
    const abort = new AbortController();
    const job: Running["job"] = {
      id: `job-${randomUUID()}`,
      model,
      status: "downloading",
      downloadedBytes: 0,
      startedAt: new Date(),
    };
    let resolve = (): void => {};
    let reject = (_error: unknown): void => {};
    const resolved = new Promise<void>((...settle) => {
      [resolve, reject] = settle;
    });
    resolved.catch(() => undefined);
    const { home, retry } = this.#options;
    let isResolved = false;
    const ended = fetchModel(reference, {
      folder: join(home, "models"),
      access,
      signal: abort.signal,
      onEvent: (event) => {
        applyEvent(job, event);
        if (event.type === "started" || event.type === "waiting") resolve();
        isResolved ||= event.type === "resolved";
      },
      ...(retry === undefined ? {} : { retry }),
    }).then(
      (fetched) => {
        this.#complete(job, fetched);
        resolve();
      },
      (thrown: unknown) => {
        this.#fail(job, thrown, abort.signal);
        if (isResolved || abort.signal.aborted) resolve();
        else {
          // Nothing began, so there is no job to ask about.
          this.#jobs.delete(job.id);
          reject(thrown);
        }
      },
    );
    const running = { job, key, abort, resolved, ended };
    this.#jobs.set(job.id, running);
    this.#options.log(`download ${job.id}: ${model}`);
    return running;
  }

  #complete(job: Running["job"], { path, result }: FetchedModel): void {
    job.status = result === "fetched" ? "completed" : "already_downloaded";
    job.path = path;
    job.completedAt = new Date();
    delete job.bytesPerSecond;
    delete job.estimatedCompletion;
    this.#options.log(`download ${job.id}: ${job.status}, ${path}`);
    if (result === "fetched") this.#options.onFetched?.(path);
  }

  #fail(job: Running["job"], thrown: unknown, signal: AbortSignal): void {
    job.status = signal.aborted ? "cancelled" : "failed";
    delete job.bytesPerSecond;
    delete job.estimatedCompletion;
    if (!signal.aborted) job.error = errorMessage(thrown);
    this.#options.log(`download ${job.id}: ${job.status}${job.error === undefined ? "" : `, ${job.error}`}`);
    // What is none of the errors of a download is one of ours.
    if (!signal.aborted && !AgentError.is(thrown)) this.#options.log(String((thrown as Error).stack));
  }

  #forgetOld(): void {
    const ended = [...this.#jobs.values()].filter(({ job }) => !isRunning(job.status));
    for (const { job } of ended.slice(0, Math.max(0, ended.length + 1 - KEPT_JOBS)))
      this.#jobs.delete(job.id);
  }
}

/** Whoever may use the server could otherwise make it ask any address for them, also in a network that only it can reach. */
function notFromHub(model: string): Error {
  const shown = model.slice(0, 200);
  const message = `\`${shown}\` is not on the model hub, and nothing else is fetched for clients. Name a model of the hub as \`owner/repo\`, or fetch it where the server runs: \`lmagent models get URL\`.`;
  return downloadFailed(message, { reference: shown });
}

function isRunning(status: DownloadStatus): boolean {
  return status === "downloading" || status === "paused";
}

function applyEvent(job: Running["job"], event: DownloadEvent): void {
  if (event.type === "resolved" && event.totalBytes !== undefined) job.totalBytes = event.totalBytes;
  if (event.type !== "progress") return;
  const { downloadedBytes, bytesPerSecond, secondsLeft } = event;
  job.downloadedBytes = downloadedBytes;
  if (bytesPerSecond !== undefined) job.bytesPerSecond = Math.round(bytesPerSecond);
  if (secondsLeft !== undefined) job.estimatedCompletion = new Date(Date.now() + secondsLeft * 1000);
}
