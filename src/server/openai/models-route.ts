/** `GET /v1/models` and `GET /v1/models/:id`. */
import type { LoadedModel } from "../../engine/model-manager.ts";
import { ApiFailure, toApiError } from "../errors.ts";
import { addGet, refuseOtherMethods } from "../routes.ts";
import type { App } from "../routes.ts";
import { outlineModel } from "../served-model.ts";
import type { Services } from "../services.ts";

export function addModels(app: App, services: Services): void {
  const list = (): Promise<Record<string, unknown>[]> =>
    Promise.all(services.models.loaded().map((model) => toModelObject(model)));
  addGet(app, "/v1/models", async () => ({ object: "list", data: await list() }));
  addGet(app, "/v1/models/:id{.+}", async (c) => {
    const wanted = c.req.param("id");
    const model = services.models.loaded().find(({ id }) => id === wanted);
    if (model !== undefined) return toModelObject(model);
    throw modelNotFound(services, wanted ?? "");
  });
  refuseOtherMethods(app, ["/v1/models", "/v1/models/:id{.+}"], "GET");
}

function modelNotFound({ models }: Services, name: string): ApiFailure {
  const known = models
    .loaded()
    .map(({ id }) => `\`${id}\``)
    .join(", ");
  return new ApiFailure(
    toApiError(404, `There is no model \`${name}\` here. Available: ${known}.`, {
      code: "model_not_found",
      param: "model",
    }),
  );
}

/** Every client looks for the window under another name. */
async function toModelObject(model: LoadedModel): Promise<Record<string, unknown>> {
  const { contextTokens, trainContextTokens, parameters, sizeBytes, slots, quantization, loaded } =
    await outlineModel(model);
  return {
    id: model.id,
    object: "model",
    created: 0,
    owned_by: "lmagent",
    state: loaded ? "loaded" : "loading",
    context_length: contextTokens,
    max_model_len: contextTokens,
    slots,
    // What is not known yet is left out of the JSON.
    meta: { n_ctx: contextTokens, n_ctx_train: trainContextTokens, n_params: parameters, size: sizeBytes },
    quantization,
  };
}
