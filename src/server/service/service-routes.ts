/** What programs ask about the server itself, as llama.cpp's server answers it: `/health`, `/props`, `/slots`. */
import type { LoadedModel } from "../../engine/model-manager.ts";
import { addGet, refuseOtherMethods } from "../routes.ts";
import type { App } from "../routes.ts";
import { outlineModel, readSlots } from "../served-model.ts";
import type { Services } from "../services.ts";

export function addService(app: App, { version, models }: Services): void {
  addGet(app, "/health", async () => ({ status: "ok", server: "lmagent", version }));
  // The places where clients look for the number of slots, and for one that is free.
  addGet(app, "/props", async () => toProps(models.loaded()[0]));
  addGet(app, "/slots", async () => toSlots(models.loaded()[0]));
  refuseOtherMethods(app, ["/health", "/props", "/slots"], "GET");
}

async function toProps(model: LoadedModel | undefined): Promise<Record<string, unknown>> {
  if (model === undefined) return { total_slots: 0 };
  const { contextTokens, slots, chatTemplate } = await outlineModel(model);
  return {
    default_generation_settings: { n_ctx: contextTokens },
    total_slots: slots,
    model_alias: model.id,
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
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
