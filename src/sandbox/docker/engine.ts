/** The engine as the sandbox uses it: what goes wrong means that there is no sandbox. */
import { AgentError } from "../../core/errors.ts";
import { connectDocker, type DockerEngine } from "../../docker/engine.ts";
import { sweepLeftovers } from "../../docker/sweep.ts";
import { OWNER_LABEL } from "./specification.ts";

/** Its requests throw `AgentError` `sandbox_unavailable`. */
export function connectEngine(socketPath: string): Promise<DockerEngine> {
  return connectDocker(
    socketPath,
    (message, data) =>
      new AgentError(
        "sandbox_unavailable",
        `${message} Run \`lmagent sandbox status\` to see what works here.`,
        {
          data: { ...data, backend: "docker" },
        },
      ),
  );
}

/** Removes the containers of agents that were killed; see `sweepLeftovers`. Throws `AgentError` `sandbox_unavailable`. */
export async function sweepDockerLeftovers(socketPath: string): Promise<number> {
  return sweepLeftovers(await connectEngine(socketPath), OWNER_LABEL);
}
