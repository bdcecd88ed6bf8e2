/** Puts together what the daemon's routes work with. */
import { createFixedCatalog, toFileEntry } from "../../engine/catalog.ts";
import { createForkedEngine } from "../../engine/engine.ts";
import { createModelManager } from "../../engine/model-manager.ts";
import type { Services } from "../services.ts";
import type { ServerLog } from "./server-log.ts";
import type { DaemonSettings } from "./settings.ts";

export interface DaemonServices {
  services: Services;
  dispose: () => Promise<void>;
}

export async function createDaemonServices(
  { engineChild, packageModel, version, runtime }: DaemonSettings,
  log: ServerLog,
): Promise<DaemonServices> {
  const logModel = (message: string): void => log.write({ source: "model", message });
  const models = createModelManager({
    catalog: createFixedCatalog([await toFileEntry(packageModel)]),
    createEngine: (load) =>
      createForkedEngine({
        childEntry: engineChild,
        load: { ...load, threads: runtime.threads ?? load.threads },
        log: logModel,
      }),
    log: logModel,
  });
  const services: Services = {
    models,
    version,
    now: () => new Date(),
    log: (message) => log.write({ source: "server", message }),
    settings: { jit: runtime.jit, reasoningField: runtime.reasoningField },
  };
  return { services, dispose: async () => models[Symbol.asyncDispose]() };
}
