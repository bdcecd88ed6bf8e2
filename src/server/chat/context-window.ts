/** Loads a model with the window that a request wants, anew where it has a smaller one. */
import type { Engine } from "../../engine/engine.ts";
import type { LoadConfig, LoadedModel, UseOptions } from "../../engine/manager/model-manager.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import type { ServedModel } from "../find-served.ts";
import type { Services } from "../services.ts";
import { withModel } from "../use-model.ts";

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
 * `withModel` with at least this window, or the one that the model was trained for where that is smaller. Never with less than it would
 * have without: others use it too. Throws `ApiFailure` (503) while others use the model with less, and what `withModel` throws.
 */
export async function withWindow<Result>(
  services: Services,
  served: ServedModel,
  options: WindowOptions,
  work: (model: LoadedModel) => Promise<Result>,
): Promise<Result> {
  const { contextTokens: _contextTokens, param: _param, ...use } = options;
  const { id, entry } = served;
  // It is refused below, and stays loaded as it is.
  if (entry.purpose !== use.purpose) return withModel(services, id, use, work);
  // Until one has its model with its window, the next one does not look.
  const { running } = await oneAtATime(entry.path, async () => {
    await seePlan(services, served, use);
    const wanted = await endSmaller(services, served, options);
    const config = wanted === undefined ? {} : { config: { contextTokens: wanted } };
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const running = withModel(services, id, { ...use, ...config }, async (model) => {
      if (wanted !== undefined) asked.set(model.engine, Math.max(wanted, asked.get(model.engine) ?? 0));
      begin();
      return work(model);
    });
    await Promise.race([
      begun,
      running.then(
        () => undefined,
        () => undefined,
      ),
    ]);
    return { running };
  });
  return running;
}

/** With which window it is loaded is known as soon as it has its place. */
async function seePlan(
  services: Services,
  { id, loaded }: ServedModel,
  { purpose, signal }: UseOptions,
): Promise<void> {
  if (loaded === undefined) await withModel(services, id, { purpose, signal }, async () => undefined);
}

/** Ends what is loaded with less and rests; returns the window with which it is to be loaded again. */
async function endSmaller(
  services: Services,
  { id, entry }: ServedModel,
  { contextTokens, param, ttlMs, signal }: WindowOptions,
): Promise<number | undefined> {
  const loaded = services.models.loaded().find((one) => one.id === id);
  if (loaded === undefined || (await isLargeEnough(loaded, contextTokens))) return undefined;
  const wanted = await trainedAtMost(loaded, contextTokens);
  if (loaded.onDemand) {
    refuseBusy(loaded, { param, contextTokens });
    await services.models.unload(id);
    return wanted;
  }
  // What was loaded to stay is loaded to stay again.
  const config = { id, contextTokens: wanted, ttlMs: ttlMs === undefined ? loaded.ttlMs : ttlMs };
  const model = await loadAnew(services, loaded, { name: entry.key, param, config, signal });
  asked.set(model.engine, wanted);
  return undefined;
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

async function isLargeEnough(model: LoadedModel, contextTokens: number): Promise<boolean> {
  const has = Math.max(model.plan.contextTokens, asked.get(model.engine) ?? 0);
  return has >= contextTokens || has >= (await trainedAtMost(model, contextTokens));
}

async function trainedAtMost({ entry, engine }: LoadedModel, contextTokens: number): Promise<number> {
  const trained = entry.maxContextTokens ?? (await engine.facts()).trainContextTokens;
  return trained > 0 ? Math.min(contextTokens, trained) : contextTokens;
}
