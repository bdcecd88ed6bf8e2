import { AgentError } from "../core/errors.ts";
import { statSync } from "node:fs";

export interface SocketOptions {
  /** `DOCKER_HOST` of the user's own environment; never from a file of the workspace. */
  dockerHost?: string | undefined;
  /** The user's home folder, for Docker Desktop. */
  home?: string | undefined;
  /** `XDG_RUNTIME_DIR`, for an engine without root. */
  runtimeDir?: string | undefined;
}

/**
 * The path of the engine's socket, or `undefined` when there is none. Throws `AgentError` `config_invalid` for a `dockerHost` that is
 * no local socket: containers mount folders of this machine, which only an engine on it can do.
 */
export function findDockerSocket({ dockerHost, home, runtimeDir }: SocketOptions): string | undefined {
  if (dockerHost !== undefined && dockerHost !== "") return toSocketPath(dockerHost);
  const places = [
    "/var/run/docker.sock",
    ...(home === undefined ? [] : [`${home}/.docker/run/docker.sock`]),
    ...(runtimeDir === undefined ? [] : [`${runtimeDir}/docker.sock`]),
  ];
  return places.find(isSocket);
}

function toSocketPath(dockerHost: string): string {
  const path = /^unix:\/\/(\/.+)$/.exec(dockerHost)?.[1];
  if (path !== undefined) return path;
  throw new AgentError(
    "config_invalid",
    `\`DOCKER_HOST\` is \`${dockerHost}\`, and only a socket of this machine can be used. Set it to \`unix:///path/to/docker.sock\` or unset it.`,
    { data: { field: "DOCKER_HOST", value: dockerHost } },
  );
}

export function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}
