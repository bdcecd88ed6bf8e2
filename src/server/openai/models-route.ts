/** `GET /v1/models` and `GET /v1/models/:id`. */
import type { ModelEntry } from "../../engine/catalog/catalog.ts";
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { findServed, requireServed } from "../find-served.ts";
import { addGet, refuseOtherMethods } from "../http/routes.ts";
import type { App } from "../http/routes.ts";
import { outlineModel } from "../served-model.ts";
import type { Services } from "../services.ts";

interface Listed {
  id: string;
  entry: ModelEntry;
  loaded?: LoadedModel;
}

export function addModels(app: App, services: Services): void {
  addGet(app, "/v1/models", async () => {
    const listed = await listModels(services);
    return { object: "list", data: await Promise.all(listed.map(toModelObject)) };
  });
  // Ids may have slashes.
  addGet(app, "/v1/models/:id{.+}", async (c) => {
    const wanted = c.req.param("id") ?? "";
    const found = await findServed(services, [wanted]);
    const visible = found !== undefined && (services.settings.jit || found.loaded !== undefined);
    return toModelObject(visible ? found : await requireServed(services, wanted, []));
  });
  refuseOtherMethods(app, ["/v1/models", "/v1/models/:id{.+}"], "GET");
}

/** Those that are loaded first; where requests load models, then all the others. */
async function listModels({ models, settings }: Services): Promise<Listed[]> {
  const loaded = models.loaded();
  const all = loaded.map((model): Listed => ({ id: model.id, entry: model.entry, loaded: model }));
  if (!settings.jit) return all;
  const taken = new Set(loaded.map(({ entry }) => entry.path));
  const rest = (await models.catalog.list()).filter(({ path }) => !taken.has(path));
  return [...all, ...rest.map((entry) => ({ id: entry.key, entry }))];
}

/** Every client looks for the window under another name. What is not known is left out of the JSON. */
async function toModelObject({ id, entry, loaded }: Listed): Promise<Record<string, unknown>> {
  const outline = loaded === undefined ? undefined : await outlineModel(loaded);
  const window = outline?.contextTokens;
  const trained = outline?.trainContextTokens ?? entry.maxContextTokens;
  return {
    id,
    object: "model",
    created: Math.floor(entry.modifiedAt.getTime() / 1000),
    owned_by: entry.publisher || "lmagent",
    type: toType(entry, outline?.vision),
    state: outline === undefined ? "not-loaded" : outline.loaded ? "loaded" : "loading",
    context_length: window,
    max_model_len: window,
    loaded_context_length: outline?.loaded === true ? window : undefined,
    max_context_length: trained ?? window,
    slots: outline?.slots,
    meta: {
      n_ctx: window,
      n_ctx_train: trained,
      n_params: outline?.parameters ?? entry.parameters,
      size: outline?.sizeBytes ?? entry.sizeBytes,
    },
    arch: outline?.architecture ?? entry.architecture,
    quantization: outline?.quantization ?? entry.quantization,
    capabilities: entry.toolUse ? ["tool_use"] : [],
  };
}

function toType(
  { purpose, projectorPath }: ModelEntry,
  vision: boolean | undefined,
): "llm" | "vlm" | "embeddings" {
  if (purpose === "embedding") return "embeddings";
  return (vision ?? projectorPath !== undefined) ? "vlm" : "llm";
}
