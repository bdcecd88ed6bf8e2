/** `POST /api/v1/models/download` and `GET /api/v1/models/download/status/:job_id` (https://lmstudio.ai/docs/developer/rest/download). */
import * as z from "zod/mini";
import type { DownloadJob } from "../../engine/download/downloads.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { addGet, addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import { requireDownloads, startDownload } from "../start-download.ts";
import { parseClosedBody } from "./closed-body.ts";

const START = "/api/v1/models/download";
const STATUS = "/api/v1/models/download/status/:job_id";

const downloadBody = z.object({
  model: z.string().check(z.minLength(1), z.maxLength(1_000)),
  quantization: z.nullish(z.string().check(z.maxLength(100))),
});

export function addLmStudioDownloads(app: App, services: Services): void {
  addPost(app, START, async ({ body, outgoing }) => {
    const { model, quantization } = parseClosedBody(body, downloadBody);
    const request = { model, ...(quantization ? { quantization } : {}) };
    sendJson(outgoing, 200, toJobObject(await startDownload(services, request)));
  });
  addGet(app, STATUS, async (c) => {
    const id = c.req.param("job_id") ?? "";
    const job = requireDownloads(services).get(id);
    if (job !== undefined) return toJobObject(job);
    const message = `There is no download \`${id.slice(0, 100)}\`. Start one with \`POST ${START}\`.`;
    throw new ApiFailure(toApiError(404, message, { code: "job_not_found", param: "job_id" }));
  });
  refuseOtherMethods(app, [START], "POST");
  refuseOtherMethods(app, [STATUS], "GET");
}

/** LM Studio knows no cancelled jobs; a cancelled one keeps what it has and goes on when it is started again. */
function toJobObject(job: DownloadJob): Record<string, unknown> {
  if (job.status === "already_downloaded") return { status: job.status };
  // What is not known yet is left out of the JSON.
  return {
    job_id: job.id,
    status: job.status === "cancelled" ? "paused" : job.status,
    total_size_bytes: job.totalBytes,
    downloaded_bytes: job.downloadedBytes,
    bytes_per_second: job.bytesPerSecond,
    started_at: job.startedAt.toISOString(),
    completed_at: job.completedAt?.toISOString(),
    estimated_completion: job.estimatedCompletion?.toISOString(),
    error: job.error,
  };
}
