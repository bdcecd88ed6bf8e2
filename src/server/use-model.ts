/** A model for the time of one request. */
import type { LoadedModel, UseOptions } from "../engine/model-manager.ts";
import { ApiFailure, PERMANENT, toApiError } from "./errors.ts";
import type { Services } from "./services.ts";

/**
 * Keeps the model loaded while `work` runs. Throws `ApiFailure` (404) for a model that is not loaded where requests load none, and
 * what `ModelManager.use` throws.
 */
export async function withModel<Result>(
  { models, settings }: Services,
  name: string | undefined,
  options: UseOptions,
  work: (model: LoadedModel) => Promise<Result>,
): Promise<Result> {
  if (!settings.jit && name !== undefined && !models.loaded().some(({ id }) => id === name)) {
    const message = `The model \`${name}\` is not loaded, and this server loads none by itself. Load it first: \`lmagent load ${name}\`.`;
    throw new ApiFailure(toApiError(404, message, { code: "model_not_found", param: "model" }));
  }
  const use = await models.use(name, options);
  try {
    checkPurpose(use.model, options);
    return await work(use.model);
  } finally {
    use.release();
  }
}

function checkPurpose({ id, entry }: LoadedModel, { purpose }: UseOptions): void {
  if (entry.purpose === purpose) return;
  const message =
    entry.purpose === "embedding"
      ? `\`${id}\` is an embedding model: it makes vectors, at \`/v1/embeddings\`, and writes no text.`
      : `\`${id}\` writes text and makes no vectors. Choose an embedding model.`;
  throw new ApiFailure(toApiError(400, message, { code: "unsupported", param: "model", headers: PERMANENT }));
}
