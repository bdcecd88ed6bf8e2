/** Which model file of this machine our own runtime runs. */
import { AgentError } from "../core/errors.ts";
import { createCatalog } from "../engine/catalog/local-catalog.ts";
import type { ModelEntry } from "../engine/catalog/catalog.ts";
import { planModel } from "../engine/plan/model-file.ts";
import { pickModelEnv } from "./model-env.ts";
import type { Settings } from "./settings.ts";

/** More are not tried: planning reads a file's header each time. */
const TRIED = 5;

export interface LocalModelOptions {
  /** Path of the practice model. */
  packageModel: string;
  env: NodeJS.ProcessEnv;
}

/**
 * Absolute path of the file: the named one, else the newest chat model that fits this machine and knows tools, else the practice model.
 * `undefined`: there is no model of this name. Throws `AgentError` `engine_failed` for a named one that cannot be used.
 */
export async function findLocalModel(
  { home, userHome, model }: Pick<Settings, "home" | "userHome" | "model">,
  { packageModel, env }: LocalModelOptions,
): Promise<string | undefined> {
  const catalog = createCatalog({ home, userHome, env: pickModelEnv(env), packageModel });
  if (model !== undefined) return requireChat(await catalog.find(model))?.path;
  const entries = (await catalog.list())
    .filter(({ purpose, source, toolUse }) => purpose === "chat" && source !== "package" && toolUse)
    .toSorted((a, b) => b.modifiedAt.getTime() - a.modifiedAt.getTime());
  for (const { path } of entries.slice(0, TRIED)) if (await fits(path)) return path;
  return packageModel;
}

function requireChat(entry: ModelEntry | undefined): ModelEntry | undefined {
  if (entry === undefined || entry.purpose === "chat") return entry;
  const message = `\`${entry.key}\` makes embeddings and cannot chat. Name another model; \`lmagent models list\` shows them.`;
  throw new AgentError("engine_failed", message, { data: { reason: "unsupported", path: entry.path } });
}

async function fits(modelPath: string): Promise<boolean> {
  try {
    await planModel({ modelPath });
    return true;
  } catch {
    return false;
  }
}
