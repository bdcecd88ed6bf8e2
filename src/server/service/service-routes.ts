/** What programs ask about the server itself, as llama.cpp's server answers it, and the greetings by which they know a server. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { findServed, requireServed } from "../find-served.ts";
import { addGet, refuseOtherMethods, respond } from "../http/routes.ts";
import type { App } from "../http/routes.ts";
import { fromThrown, toApiError } from "../http/errors.ts";
import { outlineModel, readSlots } from "../served-model.ts";
import type { Services } from "../services.ts";
import { METRICS_TYPE, toMetricsText } from "./metrics.ts";
import { addTokens } from "./token-routes.ts";

export function addService(app: App, services: Services): void {
  const { version, models } = services;
  for (const path of ["/health", "/v1/health"])
    addGet(app, path, async () => ({ status: "ok", server: "lmagent", version }));
  // The places where clients look for the number of slots, and for one that is free.
  addGet(app, "/props", async (c) => toProps(await findLoaded(services, c.req.query("model")), version));
  app.get("/slots", async (c) => {
    try {
      const states = await toSlots(await findLoaded(services, c.req.query("model")));
      if (c.req.query("fail_on_no_slot") !== undefined && states.every((state) => state["is_processing"]))
        return respond(c, toApiError(503, "No slot is free.", { type: "server_error", code: "no_slot" }));
      return c.json(states);
    } catch (thrown) {
      return respond(c, fromThrown(thrown));
    }
  });
  app.get("/metrics", (c) => c.body(toMetricsText(models.loaded()), 200, { "content-type": METRICS_TYPE }));
  // LM Studio's command line and libraries look for a server by it.
  addGet(app, "/lmstudio-greeting", async () => ({ lmstudio: true }));
  // Ollama's clients and what starts beside them look for these words, and speak to the routes below `/api` then, which are here.
  app.get("/", (c) => c.text("Ollama is running"));
  refuseOtherMethods(
    app,
    ["/health", "/v1/health", "/props", "/slots", "/metrics", "/lmstudio-greeting", "/"],
    "GET",
  );
  addTokens(app, services);
}

/** Without a name the one that was loaded first. Throws `ApiFailure` (404) for a name that nobody has. */
async function findLoaded(services: Services, name: string | undefined): Promise<LoadedModel | undefined> {
  if (name === undefined || name === "") return services.models.loaded()[0];
  return ((await findServed(services, [name])) ?? (await requireServed(services, name, []))).loaded;
}

async function toProps(model: LoadedModel | undefined, version: string): Promise<Record<string, unknown>> {
  if (model === undefined) return { total_slots: 0, build_info: `lmagent-${version}` };
  const { contextTokens, slots, chatTemplate, bosToken, eosToken, vision } = await outlineModel(model);
  return {
    default_generation_settings: { n_ctx: contextTokens },
    total_slots: slots,
    model_alias: model.id,
    model_path: model.entry.path,
    modalities: { vision: vision === true, audio: false },
    build_info: `lmagent-${version}`,
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
    ...(bosToken === undefined ? {} : { bos_token: bosToken }),
    ...(eosToken === undefined ? {} : { eos_token: eosToken }),
  };
}

async function toSlots(model: LoadedModel | undefined): Promise<Record<string, unknown>[]> {
  if (model === undefined) return [];
  const { contextTokens } = await outlineModel(model);
  const states = await readSlots(model);
  return states.map(({ index, busy, tokens, lastTask }) => ({
    id: index,
    // Left out of the JSON before its first request.
    id_task: lastTask,
    n_ctx: contextTokens,
    is_processing: busy,
    n_prompt_tokens: tokens,
  }));
}
