import type { App } from "../http/routes.ts";
import type { Services } from "../services.ts";
import { addOllamaChat } from "./chat-route.ts";
import { addOllamaEmbed } from "./embed-route.ts";
import { addOllamaGenerate } from "./generate-route.ts";
import { addOllamaModels } from "./models-route.ts";
import { addOllamaPull } from "./pull-route.ts";

/** Ollama's native routes, below `/api`. */
export function addOllama(app: App, services: Services): void {
  addOllamaModels(app, services);
  addOllamaChat(app, services);
  addOllamaGenerate(app, services);
  addOllamaEmbed(app, services);
  addOllamaPull(app, services);
}
