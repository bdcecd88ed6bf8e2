/** Loads a model anew where a request wants a larger window than it has. */
import type { Engine } from "../engine/engine.ts";
import type { LoadConfig, LoadedModel } from "../engine/model-manager.ts";
import { ApiFailure, toApiError } from "./errors.ts";
import type { ServedModel } from "./find-served.ts";
import type { Services } from "./services.ts";

export interface WindowOptions {
  contextTokens: number;
  /** Name of the field that asked for it, for the refusal. */
  param: string;
  /** Absent: as before, or as long as what a request loads. */
  ttlMs?: number | null;
  signal: AbortSignal;
}

/** What a request loads rests so long before it goes, as in LM Studio. */
const REQUEST_TTL_MS = 60 * 60_000;

/** The largest window that was asked for and could not be had in full, so that it is not tried again with each request. */
const tried = new WeakMap<Engine, number>();

/** Loads of one model, one after the other. */
const loading = new Map<string, Promise<unknown>>();

/**
 * Sees to it that the model has this window, or the one it was trained for where that is smaller; returns its id. Throws `ApiFailure`
 * (503) while others use the model, and what its load throws. Does nothing where requests load no models.
 */
export async function ensureWindow(
  services: Services,
  { id, entry }: ServedModel,
  { contextTokens, param, ttlMs, signal }: WindowOptions,
): Promise<string> {
  return oneAtATime(entry.path, async () => {
    const { models, settings } = services;
    const loaded = models.loaded().find((one) => one.id === id);
    if (loaded === undefined && !settings.jit) return id;
    const wanted = Math.min(contextTokens, await trainedFor(loaded, entry.maxContextTokens));
    if (loaded !== undefined && hasWindow(loaded, wanted)) return id;
    const model = await loadAnew(services, loaded, {
      name: entry.key,
      param,
      config: {
        contextTokens: wanted,
        ttlMs: chooseTtl(loaded, ttlMs),
        ...(loaded === undefined ? {} : { id }),
      },
      signal,
    });
    tried.set(model.engine, wanted);
    return model.id;
  });
}

function chooseTtl(loaded: LoadedModel | undefined, wanted: number | null | undefined): number | null {
  if (wanted !== undefined) return wanted;
  return loaded === undefined ? REQUEST_TTL_MS : loaded.ttlMs;
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
  if (loaded !== undefined && loaded.users > 0) {
    const { contextTokens } = loaded.plan;
    const message =
      `\`${param}\` is ${config.contextTokens}, but \`${loaded.id}\` is in use with a context of ${contextTokens} tokens. ` +
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
  if (loaded !== undefined) await models.unload(loaded.id);
  return models.load(name, config, { signal });
}

/** Runs these one after the other for one model, whoever asks. */
export async function oneAtATime<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  const before = loading.get(path);
  const mine = (before ?? Promise.resolve()).catch(() => undefined).then(work);
  loading.set(path, mine);
  try {
    return await mine;
  } finally {
    if (loading.get(path) === mine) loading.delete(path);
  }
}

async function trainedFor(loaded: LoadedModel | undefined, known: number | undefined): Promise<number> {
  if (known !== undefined) return known;
  return loaded === undefined
    ? Number.POSITIVE_INFINITY
    : (await loaded.engine.facts()).trainContextTokens || Number.POSITIVE_INFINITY;
}

function hasWindow({ plan, engine }: LoadedModel, wanted: number): boolean {
  return plan.contextTokens >= wanted || (tried.get(engine) ?? 0) >= wanted;
}
