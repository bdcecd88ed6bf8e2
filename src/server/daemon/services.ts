/** Puts together what the daemon's routes work with. */
import { findDockerSocket } from "../../docker/socket.ts";
import { chooseBackend } from "../../engine/backend.ts";
import type { BackendChoice } from "../../engine/backend.ts";
import { createCatalog, modelsFolder } from "../../engine/catalog/local-catalog.ts";
import { createForkedEngine } from "../../engine/engine.ts";
import { createModelManager } from "../../engine/model-manager.ts";
import type { LoadConfig, ModelManager } from "../../engine/model-manager.ts";
import type { Services } from "../services.ts";
import type { ServerLog } from "./server-log.ts";
import type { DaemonSettings, RuntimeSettings } from "./settings.ts";

export interface DaemonServices {
  services: Services;
  dispose: () => Promise<void>;
}

export interface DaemonServicesOptions {
  log: ServerLog;
  /** Of the daemon, for programs that it starts. */
  environment: Readonly<Record<string, string | undefined>>;
}

export async function createDaemonServices(
  settings: DaemonSettings,
  options: DaemonServicesOptions,
): Promise<DaemonServices> {
  const { log } = options;
  const backend = await chooseModelBackend(settings, options);
  const models = createModels(settings, { backend, logModel: toModelLog(log) });
  const { version, runtime } = settings;
  const services: Services = {
    models,
    version,
    now: () => new Date(),
    log: (message) => log.write({ source: "server", message }),
    settings: { jit: runtime.jit, reasoningField: runtime.reasoningField },
  };
  const dispose = async (): Promise<void> => {
    await models[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  };
  return { services, dispose };
}

type LogModel = (message: string) => void;

function toModelLog(log: ServerLog): LogModel {
  return (message) => log.write({ source: "model", message });
}

function createModels(
  { home, userHome, modelEnv, packageModel, runtime }: DaemonSettings,
  { backend, logModel }: { backend: BackendChoice; logModel: LogModel },
): ModelManager {
  const { threads, queueLimit, maxModels, memoryBytes, ttlMs } = runtime;
  return createModelManager({
    catalog: createCatalog({ home, userHome, env: modelEnv, packageModel }),
    createEngine: (load, entry) =>
      backend.createEngine(
        {
          ...load,
          ...(threads === undefined ? {} : { threads }),
          ...(queueLimit === undefined ? {} : { queueLimit }),
        },
        entry,
      ),
    defaults: toDefaults(runtime),
    ttlMs,
    ...(maxModels === undefined ? {} : { maxModels }),
    ...(memoryBytes === undefined ? {} : { memoryBudgetBytes: memoryBytes }),
    log: logModel,
  });
}

function toDefaults({ contextTokens, parallel, gpuLayers, flashAttention }: RuntimeSettings): LoadConfig {
  return {
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(parallel === undefined ? {} : { slots: parallel }),
    ...(gpuLayers === undefined ? {} : { gpuLayers }),
    ...(flashAttention === undefined ? {} : { flashAttention }),
  };
}

function chooseModelBackend(
  { home, userHome, engineChild, runtime, dockerHost, runtimeDir }: DaemonSettings,
  { log, environment }: DaemonServicesOptions,
): Promise<BackendChoice> {
  const logModel = toModelLog(log);
  const logRuntime = (message: string): void => log.write({ source: "runtime", message });
  const { backends, llamaImage, llamaServer } = runtime;
  return chooseBackend({
    order: backends,
    // Looked for only where it may be used: an address that cannot be is an error of its own.
    docker: {
      socketPath: backends.includes("docker")
        ? findDockerSocket({ dockerHost, home: userHome, runtimeDir })
        : undefined,
      modelsFolder: modelsFolder(home),
      ...(llamaImage === undefined ? {} : { image: llamaImage }),
    },
    host: { configured: llamaServer, searchPath: environment["PATH"], environment },
    createEmbedded: (load) =>
      createForkedEngine({ childEntry: engineChild, load, log: logModel, onOutput: logRuntime }),
    log: logModel,
  });
}
