/** Puts together what the daemon's routes work with. */
import { findDockerSocket } from "../../docker/socket.ts";
import { chooseBackend } from "../../engine/backend.ts";
import type { BackendChoice } from "../../engine/backend.ts";
import { modelsFolder } from "../../engine/catalog/local-catalog.ts";
import { readHubAccess } from "../../engine/download/hub-access.ts";
import { createDownloads } from "../../engine/download/jobs.ts";
import type { Downloads } from "../../engine/download/downloads.ts";
import { createForkedEngine } from "../../engine/engine.ts";
import { createModelManager } from "../../engine/manager/model-manager.ts";
import type { LoadConfig, ModelManager } from "../../engine/manager/model-manager.ts";
import type { Services } from "../services.ts";
import { createServedCatalog } from "./served-catalog.ts";
import type { ServedCatalog } from "./served-catalog.ts";
import type { ServerLog } from "./server-log.ts";
import type { DaemonSettings, RuntimeSettings } from "./settings.ts";

export interface DaemonServices {
  services: Services;
  catalog: ServedCatalog;
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
  const { home, userHome, modelEnv: env, packageModel, version, runtime } = settings;
  const catalog = createServedCatalog({ home, userHome, env, packageModel });
  const models = createModels(settings, { backend, catalog, logModel: toModelLog(log) });
  const downloads = createModelDownloads(settings, { log, onFetched: () => catalog.refresh() });
  const services: Services = {
    models,
    downloads,
    version,
    now: () => new Date(),
    log: (message) => log.write({ source: "server", message }),
    settings: { jit: runtime.jit, reasoningField: runtime.reasoningField },
  };
  const dispose = async (): Promise<void> => {
    await downloads[Symbol.asyncDispose]();
    await models[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  };
  return { services, catalog, dispose };
}

type LogModel = (message: string) => void;

function toModelLog(log: ServerLog): LogModel {
  return (message) => log.write({ source: "model", message });
}

function createModels(
  { runtime }: DaemonSettings,
  { backend, catalog, logModel }: { backend: BackendChoice; catalog: ServedCatalog; logModel: LogModel },
): ModelManager {
  const { threads, queueLimit, maxModels, memoryBytes, ttlMs } = runtime;
  return createModelManager({
    catalog,
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

function createModelDownloads(
  { home, userHome, modelEnv, version }: DaemonSettings,
  { log, onFetched }: { log: ServerLog; onFetched: () => void },
): Downloads {
  return createDownloads({
    home,
    access: () => readHubAccess({ env: modelEnv, userHome, version }),
    log: toModelLog(log),
    onFetched,
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
    docker: {
      socketPath: () => findDockerSocket({ dockerHost, home: userHome, runtimeDir }),
      modelsFolder: modelsFolder(home),
      ...(llamaImage === undefined ? {} : { image: llamaImage }),
    },
    host: { configured: llamaServer, searchPath: environment["PATH"], environment },
    createEmbedded: (load) =>
      createForkedEngine({ childEntry: engineChild, load, log: logModel, onOutput: logRuntime }),
    log: logModel,
  });
}
