/** `POST /api/pull`: a download with Ollama's progress (https://docs.ollama.com/api/pull). */
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod/mini";
import type { DownloadJob, Downloads } from "../../engine/download/downloads.ts";
import { parseBody } from "../http/body.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import type { Frame } from "../http/sse.ts";
import { requireDownloads, startDownload } from "../start-download.ts";
import { sendStream } from "../http/stream.ts";
import { toOllamaBody } from "./error-body.ts";

const PATH = "/api/pull";
const LOOK_MS = 200;

const field = z.nullish(z.string().check(z.maxLength(1_000)));
const pullBody = z.object({ model: field, name: field, stream: z.nullish(z.boolean()) });

export function addOllamaPull(app: App, services: Services): void {
  const watchers = new Map<string, number>();
  addPost(app, PATH, async ({ body, outgoing, signal }) => {
    const asked = parseBody(body, pullBody);
    const model = asked.model || asked.name || "";
    checkName(model);
    const downloads = requireDownloads(services);
    const running = new Set(downloads.list().flatMap((job) => (isRunning(job) ? [job.id] : [])));
    const job = await startDownload(services, { model });
    // Ollama ends a pull whose last client has gone; one that others began is not ours to end.
    const own = !running.has(job.id) || watchers.has(job.id);
    if (own) watchers.set(job.id, (watchers.get(job.id) ?? 0) + 1);
    try {
      if (asked.stream ?? true)
        await sendStream(outgoing, toBatches(follow(downloads, job, signal)), {
          format: "ndjson",
          signal,
          toErrorBody: toOllamaBody,
          toErrorFrames: (error) => [{ data: toOllamaBody(error) }],
        });
      else {
        for await (const _ of follow(downloads, job, signal));
        sendJson(outgoing, 200, { status: "success" });
      }
    } finally {
      if (own) await leave(downloads, job.id, watchers);
    }
  });
  refuseOtherMethods(app, [PATH], "POST");
}

async function leave(downloads: Downloads, id: string, watchers: Map<string, number>): Promise<void> {
  const left = (watchers.get(id) ?? 1) - 1;
  if (left > 0) {
    watchers.set(id, left);
    return;
  }
  watchers.delete(id);
  await downloads.cancel(id);
}

/** Throws `ApiFailure` (400) for a name of Ollama's own library: the hub has only `owner/repo`. */
function checkName(name: string): void {
  if (name.replace(/^(?:hf\.co|huggingface\.co)\//, "").includes("/")) return;
  const message =
    `\`${name.slice(0, 200)}\` is a name of Ollama's own library, which this server does not fetch from. ` +
    "Pull from Hugging Face: `hf.co/OWNER/REPO:QUANTIZATION`.";
  throw new ApiFailure(toApiError(400, message, { param: "model", code: "download_failed" }));
}

/** The job as it is now, again and again until it has ended. Throws `ApiFailure` for one that ended badly. */
async function* follow(
  downloads: Downloads,
  first: DownloadJob,
  signal: AbortSignal,
): AsyncGenerator<DownloadJob, void, void> {
  for (let job = first; ; job = downloads.get(first.id) ?? job) {
    yield job;
    if (job.status === "failed" || job.status === "cancelled") {
      const message = job.error ?? `The download of \`${job.model}\` was ${job.status}.`;
      throw new ApiFailure(toApiError(400, message, { code: "download_failed" }));
    }
    if (!isRunning(job)) return;
    await delay(LOOK_MS, undefined, { signal });
  }
}

function isRunning({ status }: DownloadJob): boolean {
  return status === "downloading" || status === "paused";
}

async function* toBatches(jobs: AsyncIterable<DownloadJob>): AsyncGenerator<readonly Frame[], void, void> {
  yield [{ data: { status: "pulling manifest" } }];
  for await (const { id, status, totalBytes, downloadedBytes } of jobs) {
    if (status === "failed" || status === "cancelled" || status === "already_downloaded") continue;
    // Until the size is known there is no progress to show.
    if (totalBytes === undefined) continue;
    yield [{ data: { status: `pulling ${id}`, digest: id, total: totalBytes, completed: downloadedBytes } }];
  }
  yield ["verifying sha256 digest", "writing manifest", "success"].map((status) => ({ data: { status } }));
}
