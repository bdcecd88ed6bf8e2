/** The door of the server, for programs that serve models themselves. `main.ts` is the process of the one that the package runs. */
export { createApp } from "./app.ts";
export type { AppOptions } from "./app.ts";
export type { AccessRules, KeyRing } from "./http/guard.ts";
export { listen } from "./http/http-listener.ts";
export type { Answered, Listener, ListenOptions } from "./http/http-listener.ts";
export type { App } from "./http/routes.ts";
export type { Services, ServeSettings } from "./services.ts";
