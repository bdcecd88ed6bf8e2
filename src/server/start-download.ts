/** Downloads for whatever dialect asks for them. */
import { AgentError } from "../core/errors.ts";
import type { DownloadJob, Downloads } from "../engine/download/downloads.ts";
import { ApiFailure, toApiError } from "./http/errors.ts";
import type { Services } from "./services.ts";

/** Throws `ApiFailure` (400) for a server that fetches nothing, and for a reference that can be none. */
export async function startDownload(
  services: Services,
  request: { model: string; quantization?: string },
): Promise<DownloadJob> {
  try {
    return await requireDownloads(services).start(request);
  } catch (thrown) {
    if (!AgentError.is(thrown, "download_failed")) throw thrown;
    throw new ApiFailure(toApiError(400, thrown.message, { code: "download_failed", param: "model" }));
  }
}

export function requireDownloads({ downloads }: Services): Downloads {
  if (downloads !== undefined) return downloads;
  const message = "This server downloads no models. Use `lmagent models get NAME` where it runs.";
  throw new ApiFailure(toApiError(400, message, { code: "downloads_disabled" }));
}
