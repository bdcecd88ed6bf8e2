/** The door to models in containers. The client library is loaded with the first container, not with this. */
export type { ModelContainer } from "./container.ts";
export { ContainerManager } from "./manager.ts";
export type { ContainerManagerOptions } from "./manager.ts";
export { CONSERVATIVE_PROFILE, KNOWN_MODELS } from "./models.ts";
export type { ContainerModel, ContainerProfile } from "./models.ts";
export { createContainerSource } from "./source.ts";
