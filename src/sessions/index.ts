/** The door of the sessions: stores that keep conversations. */
export { createJsonlSessionStore } from "./jsonl-store.ts";
export type { JsonlSessionStoreOptions } from "./jsonl-store.ts";
export { createMemorySessionStore } from "./memory-store.ts";
export type { MemorySessionStoreOptions } from "./memory-store.ts";
export { toTask } from "./overview.ts";
