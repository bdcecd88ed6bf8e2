/** The door to engines that run in a `llama-server`. */
export { createLlamaServerEngine } from "./engine.ts";
export type { LlamaServerEngineOptions } from "./engine.ts";
export { createHostSource, findLlamaServer } from "./host.ts";
export type { FindLlamaServerOptions, FoundLlamaServer, HostServerOptions } from "./host.ts";
export type { RunningServer, ServerSource } from "./source.ts";
