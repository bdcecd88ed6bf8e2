/** LM Studio's lists of models, and how they are loaded and unloaded. */
import * as z from "zod/mini";
import type { LoadConfig, LoadedModel } from "../../engine/manager/model-manager.ts";
import { loadAnew, oneAtATime } from "../chat/context-window.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { findServed } from "../find-served.ts";
import type { ServedModel } from "../find-served.ts";
import { addGet, addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import { parseClosedBody } from "./closed-body.ts";
import { requireModel } from "./model-names.ts";
import { listModels, toLoadConfig, toModelObject, toOldModelObject } from "./model-objects.ts";

const positive = z.int().check(z.minimum(1));
const name = z.string().check(z.minLength(1));

const loadBody = z.object({
  model: name,
  context_length: z.nullish(positive),
  eval_batch_size: z.nullish(positive),
  flash_attention: z.nullish(z.boolean()),
  num_experts: z.nullish(z.int().check(z.minimum(0))),
  offload_kv_cache_to_gpu: z.nullish(z.boolean()),
  echo_load_config: z.nullish(z.boolean()),
});

const unloadBody = z.object({ instance_id: name });

export function addLmStudioModels(app: App, services: Services): void {
  addGet(app, "/api/v0/models", async () => {
    const models = await listModels(services);
    return { object: "list", data: await Promise.all(models.map(toOldModelObject)) };
  });
  addGet(app, "/api/v0/models/:id{.+}", async (c) => {
    const { entry, loaded } = await requireModel(services, c.req.param("id") ?? "");
    return toOldModelObject({ entry, loaded: loaded === undefined ? [] : [loaded] });
  });
  addGet(app, "/api/v1/models", async () => ({
    models: await Promise.all((await listModels(services)).map(toModelObject)),
  }));
  addPost(app, "/api/v1/models/load", async ({ body, outgoing, signal }) => {
    sendJson(outgoing, 200, await answerLoad(services, body, signal));
  });
  addPost(app, "/api/v1/models/unload", async ({ body, outgoing }) => {
    sendJson(outgoing, 200, await answerUnload(services, body));
  });
  refuseOtherMethods(app, ["/api/v0/models", "/api/v0/models/:id{.+}", "/api/v1/models"], "GET");
  refuseOtherMethods(app, ["/api/v1/models/load", "/api/v1/models/unload"], "POST");
}

async function answerLoad(services: Services, body: string, signal: AbortSignal): Promise<object> {
  const asked = parseClosedBody(body, loadBody);
  if (typeof asked.num_experts === "number" && asked.num_experts > 0)
    throw new ApiFailure(
      toApiError(
        400,
        `\`num_experts\` is ${asked.num_experts}: this server uses as many as the model was trained with. Leave it out.`,
        { code: "unsupported", param: "num_experts" },
      ),
    );
  const startedAt = performance.now();
  const served = await requireModel(services, asked.model);
  checkWindow(served, asked.context_length);
  const model = await oneAtATime(served.entry.path, () => load(services, served, { asked, signal }));
  return {
    type: model.entry.purpose === "embedding" ? "embedding" : "llm",
    instance_id: model.id,
    load_time_seconds: seconds(performance.now() - startedAt),
    status: "loaded",
    ...(asked.echo_load_config ? { load_config: await toLoadConfig(model) } : {}),
  };
}

/** The engine would quietly load it with what it was trained for. */
function checkWindow({ entry }: ServedModel, wanted: number | null | undefined): void {
  const { key, maxContextTokens: most } = entry;
  if (typeof wanted !== "number" || most === undefined || wanted <= most) return;
  const message = `\`context_length\` is ${wanted}, and \`${key}\` was trained for ${most} tokens. Ask for at most that.`;
  throw new ApiFailure(toApiError(400, message, { param: "context_length" }));
}

interface LoadRequest {
  asked: z.output<typeof loadBody>;
  signal: AbortSignal;
}

/** What is loaded already stays as it is, unless another window is asked for: a second copy would only take memory. */
async function load(
  services: Services,
  { id, entry }: ServedModel,
  { asked, signal }: LoadRequest,
): Promise<LoadedModel> {
  const { context_length: contextTokens, flash_attention: flashAttention } = asked;
  const loaded = services.models.loaded().find((model) => model.id === id);
  const sameWindow = typeof contextTokens !== "number" || loaded?.plan.contextTokens === contextTokens;
  if (loaded !== undefined && sameWindow) {
    await loaded.engine.facts();
    return loaded;
  }
  const config: LoadConfig = {
    ttlMs: null,
    ...(typeof contextTokens === "number" ? { contextTokens } : {}),
    ...(typeof flashAttention === "boolean" ? { flashAttention } : {}),
    ...(loaded === undefined ? {} : { id }),
  };
  return loadAnew(services, loaded, { name: entry.key, param: "context_length", config, signal });
}

async function answerUnload(services: Services, body: string): Promise<object> {
  const { instance_id: id } = parseClosedBody(body, unloadBody);
  const loaded = (await findServed(services, [id]))?.loaded;
  if (loaded === undefined || !(await services.models.unload(loaded.id))) {
    const known = services.models.loaded().map((model) => `\`${model.id}\``);
    const message = `No model \`${id.slice(0, 200)}\` is loaded. Loaded: ${known.join(", ") || "none"}.`;
    throw new ApiFailure(toApiError(404, message, { code: "model_not_found", param: "instance_id" }));
  }
  return { instance_id: loaded.id };
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}
