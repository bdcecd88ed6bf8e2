/** Loads a model with the window that a request wants, anew where it has a smaller one. */
import type { Engine } from "../engine/engine.ts";
import type { LoadConfig, LoadedModel, UseOptions } from "../engine/model-manager.ts";
import { ApiFailure, toApiError } from "./errors.ts";
import type { ServedModel } from "./find-served.ts";
import type { Services } from "./services.ts";
import { withModel } from "./use-model.ts";

export interface WindowOptions extends Omit<UseOptions, "config"> {
  contextTokens: number;
  /** Name of the field that asked for it, for the refusal. */
  param: string;
}

/** The largest window that was asked for, so that one that cannot be had in full is not tried again with each request. */
const asked = new WeakMap<Engine, number>();

/** Changes of one model, one after the other. */
const changes = new Map<string, Promise<unknown>>();

/**
 * `withModel` with at least this window, or the one that the model was trained for where that is smaller. Throws `ApiFailure` (503)
 * while others use the model with less, and what `withModel` throws.
 */
export async function withWindow<Result>(
  services: Services,
  served: ServedModel,
  options: WindowOptions,
  work: (model: LoadedModel) => Promise<Result>,
): Promise<Result> {
  const { contextTokens: _contextTokens, param: _param, ...use } = options;
  // It is refused below, and stays loaded as it is.
  if (served.entry.purpose !== use.purpose) return withModel(services, served.id, use, work);
  const wanted = await oneAtATime(served.entry.path, () => makeRoom(services, served, options));
  const config = { contextTokens: wanted };
  return withModel(services, served.id, { ...use, config }, async (model) => {
    asked.set(model.engine, Math.max(wanted, asked.get(model.engine) ?? 0));
    return work(model);
  });
}

/** What has less and rests goes. Returns the window that can be had. */
async function makeRoom(
  services: Services,
  { id, entry }: ServedModel,
  { contextTokens, param, ttlMs, signal }: WindowOptions,
): Promise<number> {
  const loaded = services.models.loaded().find((one) => one.id === id);
  const wanted = Math.min(contextTokens, await trainedFor(loaded, entry.maxContextTokens));
  if (loaded === undefined || hasWindow(loaded, wanted)) return wanted;
  if (loaded.onDemand) {
    refuseBusy(loaded, { param, contextTokens });
    await services.models.unload(id);
    return wanted;
  }
  // What was loaded to stay is loaded to stay again.
  const config = { id, contextTokens: wanted, ttlMs: ttlMs === undefined ? loaded.ttlMs : ttlMs };
  await loadAnew(services, loaded, { name: entry.key, param, config, signal });
  return wanted;
}

export interface LoadAnewOptions {
  name: string;
  param: string;
  config: LoadConfig;
  signal: AbortSignal;
}

/** Unloads what is loaded, if anything, and loads it with another configuration. Throws `ApiFailure` (503) while others use it. */
export async function loadAnew(
  { models }: Services,
  loaded: LoadedModel | undefined,
  { name, param, config, signal }: LoadAnewOptions,
): Promise<LoadedModel> {
  if (loaded !== undefined) {
    refuseBusy(loaded, { param, contextTokens: config.contextTokens });
    await models.unload(loaded.id);
  }
  return models.load(name, config, { signal });
}

function refuseBusy(
  { id, users, plan }: LoadedModel,
  { param, contextTokens }: { param: string; contextTokens: number | undefined },
): void {
  if (users === 0) return;
  const message =
    `\`${param}\` is ${contextTokens}, but \`${id}\` is in use with a context of ${plan.contextTokens} tokens. ` +
    `Ask again when it rests, or leave \`${param}\` out.`;
  throw new ApiFailure(
    toApiError(503, message, {
      type: "server_error",
      code: "model_busy",
      param,
      headers: { "retry-after": "1" },
    }),
  );
}

/** Runs these one after the other for one model, whoever asks. */
export async function oneAtATime<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  const before = changes.get(path);
  const mine = (before ?? Promise.resolve()).catch(() => undefined).then(work);
  changes.set(path, mine);
  try {
    return await mine;
  } finally {
    if (changes.get(path) === mine) changes.delete(path);
  }
}

async function trainedFor(loaded: LoadedModel | undefined, known: number | undefined): Promise<number> {
  if (known !== undefined) return known;
  return loaded === undefined
    ? Number.POSITIVE_INFINITY
    : (await loaded.engine.facts()).trainContextTokens || Number.POSITIVE_INFINITY;
}

function hasWindow({ plan, engine }: LoadedModel, wanted: number): boolean {
  return plan.contextTokens >= wanted || (asked.get(engine) ?? 0) >= wanted;
}
