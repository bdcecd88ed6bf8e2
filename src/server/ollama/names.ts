/** Ollama's names: `name:tag`, where a missing tag means `latest`. */
import type { ModelEntry } from "../../engine/catalog/catalog.ts";
import { requireServed } from "../find-served.ts";
import type { ServedModel } from "../find-served.ts";
import type { Services } from "../services.ts";

const LATEST = ":latest";

/** Throws `ApiFailure` (404). */
export async function requireModel(services: Services, name: string): Promise<ServedModel> {
  const bare = name.endsWith(LATEST) ? name.slice(0, -LATEST.length) : name;
  return requireServed(services, name, [name, bare, bare + LATEST]);
}

/** The name in lists always has a tag. A colon in a host's name, such as `localhost:5000/model`, makes none. */
export function toOllamaName({ key }: ModelEntry): string {
  return key.slice(key.lastIndexOf("/") + 1).includes(":") ? key : key + LATEST;
}
