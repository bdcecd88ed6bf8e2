/**
 * The door of the engine, for programs that load models themselves. The command line and the server import the files that they run, so
 * that no start reads all of this.
 */
export { acquireEngine } from "./acquire/acquire.ts";
export type { AcquiredEngine, AcquireOptions } from "./acquire/acquire.ts";
export { chooseBackend } from "./backend.ts";
export type { BackendChoice, ChooseBackendOptions } from "./backend.ts";
export { createFixedCatalog, toFileEntry } from "./catalog/catalog.ts";
export type { Catalog, ModelEntry } from "./catalog/catalog.ts";
export { createCatalog } from "./catalog/local-catalog.ts";
export type { CatalogOptions, LocalCatalog } from "./catalog/local-catalog.ts";
export type { DownloadJob, Downloads } from "./download/downloads.ts";
export { readHubAccess } from "./download/hub-access.ts";
export { createDownloads } from "./download/jobs.ts";
export type { DownloadsOptions } from "./download/jobs.ts";
export { createForkedEngine } from "./engine.ts";
export type { Backend, Engine, ForkedEngineOptions } from "./engine.ts";
export { createModelManager } from "./manager/model-manager.ts";
export type {
  LoadConfig,
  LoadedModel,
  ModelManager,
  ModelManagerOptions,
  ModelStats,
} from "./manager/model-manager.ts";
export { findModel, planLoad } from "./plan/model-file.ts";
export type { FindModelOptions, LoadSettings } from "./plan/model-file.ts";
export type { GenerateEvent, GenerateRequest, LoadOptions, ModelFacts, Sampling } from "./protocol.ts";
