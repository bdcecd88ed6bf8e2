/** The door for programs that use local models without the agent. */
export { findDockerSocket } from "../docker/socket.ts";
export type { SocketOptions } from "../docker/socket.ts";
export { CONSERVATIVE_PROFILE, ContainerManager, KNOWN_MODELS } from "../engine/containers/index.ts";
export type {
  ContainerManagerOptions,
  ContainerModel,
  ContainerProfile,
  ModelContainer,
} from "../engine/containers/index.ts";
export { DockerLLMAdapter } from "./docker-llm.ts";
export type { ChatOptions, DockerLLMAdapterOptions } from "./docker-llm.ts";
