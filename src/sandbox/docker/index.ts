/** The door of the Docker sandbox. The client library is loaded with the first request, not with this. */
export { buildSandboxImage, type BuildImageOptions } from "./build-image.ts";
export type { DockerLimits } from "./facts.ts";
export { SANDBOX_IMAGE } from "./image.ts";
export { probeDocker, type DockerProbe, type DockerProbeOptions } from "./probe.ts";
export { createDockerSandbox, type DockerSandboxOptions } from "./sandbox.ts";
export { findDockerSocket, type SocketOptions } from "../../docker/socket.ts";
export { sweepDockerLeftovers } from "./engine.ts";
