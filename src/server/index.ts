/** The door of the server: HTTP over engines. `main.ts` is its process. */
export { createApp } from "./app.ts";
export type { AppOptions } from "./app.ts";
export { createServedModel } from "./served-model.ts";
export type { ServedModel } from "./served-model.ts";
