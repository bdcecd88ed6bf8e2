/** The door to engines that run in a `llama-server`. */
export { createLlamaServerEngine } from "./engine.ts";
export { createHostSource, findLlamaServer } from "./host.ts";
