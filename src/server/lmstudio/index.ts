import type { App } from "../http/routes.ts";
import type { Services } from "../services.ts";
import { addLmStudioChat } from "./chat-route.ts";
import { addLmStudioDownloads } from "./downloads-route.ts";
import { addLmStudioModels } from "./models-route.ts";
import { addOldRoutes } from "./old-routes.ts";

/** LM Studio's native routes, below `/api/v0` and `/api/v1`. */
export function addLmStudio(app: App, services: Services): void {
  addLmStudioModels(app, services);
  addLmStudioDownloads(app, services);
  addLmStudioChat(app, services);
  addOldRoutes(app, services);
}
