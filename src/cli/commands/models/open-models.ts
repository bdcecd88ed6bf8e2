/** What all commands about models begin with. */
import { isAbsolute, join, resolve } from "node:path";
import { AgentError } from "../../../core/errors.ts";
import type { ModelEntry } from "../../../engine/catalog/catalog.ts";
import { createCatalog } from "../../../engine/catalog/local-catalog.ts";
import type { LocalCatalog } from "../../../engine/catalog/local-catalog.ts";
import { findDaemon } from "../../../server/daemon/client.ts";
import { pickModelEnv } from "../../model-env.ts";
import { packageRoot } from "../../package-root.ts";
import { readSettings } from "../../settings.ts";

/** A loaded instance, as the daemon tells it. */
export interface LoadedInstance {
  id: string;
  path: string;
  state: string;
  contextTokens: number;
  slots: number;
}

export interface Models {
  /** LMAGENT_HOME. */
  home: string;
  catalog: LocalCatalog;
}

export async function openModels(): Promise<Models> {
  const { home, userHome } = await readSettings({}, process.env, process.cwd());
  const catalog = createCatalog({
    home,
    userHome,
    env: pickModelEnv(process.env),
    packageModel: join(packageRoot(), "practice-model", "practice.gguf"),
  });
  return { home, catalog };
}

/** What is loaded with this LMAGENT_HOME. */
export type ReadLoaded = (home: string) => Promise<readonly LoadedInstance[]>;

/** None when no daemon runs, or when it does not answer. */
export async function readLoaded(home: string): Promise<readonly LoadedInstance[]> {
  try {
    const daemon = await findDaemon(home);
    const answer = await daemon?.ask<{ models: LoadedInstance[] }>("/control/models");
    return answer?.models ?? [];
  } catch {
    return [];
  }
}

/** By name, or by the path of a file from the current folder. Throws `AgentError` `engine_failed` with what the name may have meant. */
export async function requireEntry({ catalog }: Models, name: string): Promise<ModelEntry> {
  const found = await catalog.find(name);
  if (found !== undefined) return found;
  if (/\.gguf$/i.test(name) && !isAbsolute(name)) {
    const file = await catalog.find(resolve(name));
    if (file !== undefined) return file;
  }
  const near = (await catalog.suggest(name)).map((key) => `\`${key}\``).join(", ");
  const wayOut = near === "" ? "`lmagent models list` shows what there is." : `Did you mean ${near}?`;
  throw new AgentError("engine_failed", `There is no model \`${name}\` on this machine. ${wayOut}`, {
    data: { reason: "model_not_found", model: name },
  });
}
