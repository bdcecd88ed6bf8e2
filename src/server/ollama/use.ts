/** A model for one request, loaded, with the window that it asks for. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import type { ModelPurpose } from "../../engine/protocol.ts";
import { withWindow } from "../chat/context-window.ts";
import type { Services } from "../services.ts";
import { withModel } from "../use-model.ts";
import { requireModel } from "./names.ts";

export interface UseOptions {
  purpose: ModelPurpose;
  ttl: { ttlMs?: number | null };
  /** `options.num_ctx`. */
  contextTokens?: number | undefined;
  signal: AbortSignal;
}

/** Throws `ApiFailure` and what the load throws. `work` starts when the model has its place; it may still load. */
export async function useModel<Result>(
  services: Services,
  name: string,
  { purpose, ttl, contextTokens, signal }: UseOptions,
  work: (model: LoadedModel) => Promise<Result>,
): Promise<Result> {
  const served = await requireModel(services, name);
  const use = { purpose, ...ttl, signal };
  if (contextTokens === undefined) return withModel(services, served.id, use, work);
  return withWindow(services, served, { ...use, contextTokens, param: "options.num_ctx" }, work);
}

/** An empty request: the model is loaded, or with `keep_alive` 0 unloaded as soon as nobody uses it. */
export async function loadOrUnload(
  services: Services,
  name: string,
  options: UseOptions,
): Promise<"load" | "unload"> {
  if (options.ttl.ttlMs !== 0) {
    await useModel(services, name, options, ({ engine }) => engine.facts());
    return "load";
  }
  const { loaded } = await requireModel(services, name);
  if (loaded === undefined) return "unload";
  if (loaded.users === 0) await services.models.unload(loaded.id);
  else services.models.setTtl(loaded.id, 0);
  return "unload";
}
