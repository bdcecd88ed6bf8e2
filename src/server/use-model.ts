/** A model for the time of one request. */
import type { LoadedModel, UseOptions } from "../engine/manager/model-manager.ts";
import { ApiFailure, PERMANENT, toApiError } from "./http/errors.ts";
import type { Services } from "./services.ts";

/**
 * Keeps the model loaded while `work` runs. Throws `ApiFailure` (404) for a model that is not loaded where requests load none, and
 * what `ModelManager.use` throws.
 */
export async function withModel<Result>(
  services: Services,
  name: string | undefined,
  options: UseOptions,
  work: (model: LoadedModel) => Promise<Result>,
): Promise<Result> {
  if (!services.settings.jit) await requireLoaded(services, name);
  const use = await services.models.use(name, options);
  try {
    checkPurpose(use.model, options);
    return await work(use.model);
  } finally {
    use.release();
  }
}

async function requireLoaded({ models }: Services, name: string | undefined): Promise<void> {
  const loaded = models.loaded();
  if (name === undefined ? loaded.length > 0 : loaded.some(({ id }) => id === name)) return;
  const entry = name === undefined ? undefined : await models.catalog.find(name);
  if (entry !== undefined && loaded.some((one) => one.entry.path === entry.path)) return;
  const what = name === undefined ? "No model is loaded" : `The model \`${name}\` is not loaded`;
  const message = `${what}, and this server loads none by itself. Load it first: \`lmagent load ${name ?? "NAME"}\`.`;
  throw new ApiFailure(
    toApiError(404, message, { code: "model_not_found", param: "model", headers: PERMANENT }),
  );
}

function checkPurpose({ id, entry }: LoadedModel, { purpose }: UseOptions): void {
  if (entry.purpose === purpose) return;
  const message =
    entry.purpose === "embedding"
      ? `\`${id}\` is an embedding model: it makes vectors, at \`/v1/embeddings\`, and writes no text.`
      : `\`${id}\` writes text and makes no vectors. Choose an embedding model.`;
  throw new ApiFailure(toApiError(400, message, { code: "unsupported", param: "model", headers: PERMANENT }));
}
