/** The door of the server: HTTP over engines. `main.ts` is its process. */
export { createApp } from "./app.ts";
export type { AppOptions } from "./app.ts";
export type { Services, ServeSettings } from "./services.ts";
export type { AccessRules, KeyRing } from "./http/guard.ts";
