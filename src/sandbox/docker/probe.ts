import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { AgentError, errorMessage } from "../../core/errors.ts";
import { connectEngine } from "./engine.ts";
import { readDockerFacts, toLimitWarnings, type DockerLimits } from "./facts.ts";
import { readImage, SANDBOX_IMAGE } from "./image.ts";
import { isSocket } from "../../docker/socket.ts";

export interface DockerProbeOptions {
  /** `undefined` when `findDockerSocket` has found none. */
  socketPath: string | undefined;
  /** Name of the image; default `SANDBOX_IMAGE`. */
  image?: string;
}

export type DockerProbe =
  | {
      usable: true;
      /** Changes with all that a test of this sandbox depends on: engine, kernel, image. */
      identity: string;
      limits: DockerLimits;
      /** What does not hold as it should on this machine, for the user. */
      warnings: readonly string[];
    }
  | {
      usable: false;
      reason: string;
      /** The engine works, and making the image would help. */
      lacksImage?: boolean;
    };

/** Tells within some seconds whether commands can run in Docker here, and why not. Makes nothing. Never rejects. */
export async function probeDocker({
  socketPath,
  image = SANDBOX_IMAGE,
}: DockerProbeOptions): Promise<DockerProbe> {
  if (socketPath === undefined || !isSocket(socketPath)) {
    const where = socketPath === undefined ? "" : ` at \`${socketPath}\``;
    return { usable: false, reason: `there is no Docker engine${where}: no such socket` };
  }
  try {
    await access(socketPath, constants.R_OK | constants.W_OK);
  } catch {
    return {
      usable: false,
      reason: `this user may not use the Docker engine at \`${socketPath}\`; members of its group may (\`ls -l ${socketPath}\`)`,
    };
  }
  try {
    const engine = await connectEngine(socketPath);
    const [facts, found] = await Promise.all([readDockerFacts(engine), readImage(engine, image)]);
    const hidden = found.shellsHidden
      ? []
      : [`the image \`${image}\` has no hidden shells: a command could tell a wrong end of itself`];
    const identity = `${facts.identity} ${found.id}`;
    return {
      usable: true,
      identity,
      limits: facts.limits,
      warnings: [...toLimitWarnings(facts.limits), ...hidden],
    };
  } catch (thrown) {
    if (!AgentError.is(thrown)) throw thrown;
    return { usable: false, reason: errorMessage(thrown), lacksImage: thrown.data["image"] !== undefined };
  }
}
