/** From what a client calls a model to the name that `withModel` takes. */
import type { ModelEntry } from "../engine/catalog/catalog.ts";
import type { LoadedModel } from "../engine/manager/model-manager.ts";
import { ApiFailure, PERMANENT, toApiError } from "./http/errors.ts";
import type { Services } from "./services.ts";

export interface ServedModel {
  /** Of the loaded instance, or else the key under which it would be loaded. */
  id: string;
  entry: ModelEntry;
  /** Absent: it is not loaded. */
  loaded?: LoadedModel;
}

/** The first of these names that an instance or an entry of the catalog has. */
export async function findServed(
  { models }: Services,
  names: readonly string[],
): Promise<ServedModel | undefined> {
  for (const name of names) {
    const instance = models.loaded().find(({ id }) => id.toLowerCase() === name.toLowerCase());
    if (instance !== undefined) return toServed(instance);
    const entry = name === "" ? undefined : await models.catalog.find(name);
    if (entry === undefined) continue;
    const loaded = models.loaded().find((one) => one.entry.path === entry.path);
    return loaded === undefined ? { id: entry.key, entry } : toServed(loaded);
  }
  return undefined;
}

/** Throws `ApiFailure` (404) whose message lists what there is. */
export async function requireServed(
  services: Services,
  wanted: string,
  names: readonly string[],
): Promise<ServedModel> {
  const found = await findServed(services, names);
  if (found !== undefined) return found;
  const known = (await services.models.catalog.list()).map(({ key }) => `\`${key}\``);
  const shown = known.slice(0, SHOWN).join(", ") + (known.length > SHOWN ? " …" : "");
  const message = `There is no model \`${wanted.slice(0, 200)}\` here. Available: ${shown || "none"}.`;
  throw new ApiFailure(
    toApiError(404, message, {
      code: "model_not_found",
      param: "model",
      headers: PERMANENT,
    }),
  );
}

const SHOWN = 20;

function toServed(loaded: LoadedModel): ServedModel {
  return { id: loaded.id, entry: loaded.entry, loaded };
}
