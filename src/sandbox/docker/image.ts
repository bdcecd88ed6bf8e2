import { AgentError } from "../../core/errors.ts";
import { statusOf, type DockerEngine } from "../../docker/engine.ts";

/** The image of this version. Its number is raised whenever `docker/sandbox/Dockerfile` changes. */
export const SANDBOX_IMAGE = "lmagent-sandbox:1";

/** Where the image has shells that can be run and not read; see `docker/sandbox/Dockerfile`. */
const SHELLS_LABEL = "lmagent.shells";

export interface SandboxImage {
  /** The digest of its contents; containers are made from this, never from a name. */
  id: string;
  /** A shell for the runner, and bash for the first process. */
  shell: string;
  bash: string;
  /** Whether these shells cannot be read, so that no command can look into a process that runs them. */
  shellsHidden: boolean;
  /** Names of the variables that it sets. */
  environment: readonly string[];
}

const NAME = /^[\w][\w.\-/:@]{0,300}$/;

/** Throws `AgentError` `sandbox_unavailable` when there is no such image, `config_invalid` when it cannot have such a name. */
export async function readImage(engine: DockerEngine, name: string): Promise<SandboxImage> {
  if (!NAME.test(name) || name.includes("..")) {
    throw new AgentError(
      "config_invalid",
      `\`${name}\` is no name of an image; use one like \`${SANDBOX_IMAGE}\`.`,
      {
        data: { field: "image", value: name },
      },
    );
  }
  const found = await engine
    .ask({ to: `describe the image ${name}` }, () => engine.docker.getImage(name).inspect())
    .catch((thrown: unknown) => {
      throw statusOf(thrown) === 404 ? toMissing(name) : thrown;
    });
  return toImage(name, found);
}

function toMissing(name: string): AgentError {
  return new AgentError(
    "sandbox_unavailable",
    `There is no image \`${name}\` in this Docker engine. \`lmagent sandbox build\` makes it.`,
    { data: { backend: "docker", image: name } },
  );
}

function toImage(name: string, found: unknown): SandboxImage {
  const { Id: id, Config: config } = (found ?? {}) as {
    Id?: unknown;
    Config?: Record<string, unknown> | null;
  };
  if (typeof id !== "string" || !/^sha256:[0-9a-f]{64}$/.test(id)) throw toUnusable(name, "has no digest");
  if (Object.keys(config?.["Volumes"] ?? {}).length > 0)
    throw toUnusable(name, "has volumes, which commands could write to");
  const shells = (config?.["Labels"] as Record<string, unknown> | null | undefined)?.[SHELLS_LABEL];
  const hidden = typeof shells === "string" && /^\/[\w./-]+$/.test(shells) ? shells : undefined;
  const entries: unknown = config?.["Env"] ?? [];
  return {
    id,
    shell: hidden === undefined ? "/bin/sh" : `${hidden}/sh`,
    bash: hidden === undefined ? "/bin/bash" : `${hidden}/bash`,
    shellsHidden: hidden !== undefined,
    environment: (Array.isArray(entries) ? entries : []).map((entry) => String(entry).split("=")[0]!),
  };
}

function toUnusable(name: string, why: string): AgentError {
  return new AgentError(
    "sandbox_unavailable",
    `The image \`${name}\` cannot be used: it ${why}. \`lmagent sandbox build\` makes one that can.`,
    { data: { backend: "docker", image: name } },
  );
}
