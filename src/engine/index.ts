/**
 * The door of the engine: local models in their own process. Only what an agent needs to get one; the server imports the files that
 * it runs, so that a start of the command line does not read them.
 */
export { acquireEngine } from "./acquire/acquire.ts";
export type { AcquiredEngine, AcquireOptions } from "./acquire/acquire.ts";
export { findModel } from "./plan/model-file.ts";
export type { FindModelOptions } from "./plan/model-file.ts";
