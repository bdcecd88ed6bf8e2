/** What of a Docker engine a model's container depends on. */
import { AgentError } from "../../core/errors.ts";
import { connectDocker, statusOf } from "../../docker/engine.ts";
import type { DockerEngine } from "../../docker/engine.ts";
import { engineFailed } from "../engine-failure.ts";
import { toFields, toItems, toText } from "../llama-server/fields.ts";

export const LLAMA_IMAGE = "ghcr.io/ggml-org/llama.cpp:server";
export const LLAMA_CUDA_IMAGE = "ghcr.io/ggml-org/llama.cpp:server-cuda";

export interface DockerFacts {
  /** NVIDIA's runtime, or a device of that maker by CDI (https://docs.docker.com/build/building/cdi/). */
  nvidia: "runtime" | "cdi" | undefined;
  /** There is a bridge, so a container can have a network of its own. */
  hasBridge: boolean;
  /** The engine runs as an ordinary user, who is root inside. */
  rootless: boolean;
}

/** Its requests throw `engine_failed` `load_failed`. */
export function connectModelDocker(socketPath: string): Promise<DockerEngine> {
  return connectDocker(socketPath, (message, data) =>
    engineFailed("load_failed", message, { ...data, backend: "docker" }),
  );
}

export async function readDockerFacts(engine: DockerEngine): Promise<DockerFacts> {
  const [answer, networks] = await Promise.all([
    engine.ask({ to: "describe itself" }, () => engine.docker.info() as Promise<unknown>),
    engine.ask({ to: "list its networks" }, () => engine.docker.listNetworks() as Promise<unknown>),
  ]);
  const info = toFields(answer);
  if (toText(info["OSType"]) !== "linux") throw engine.fail("does not run Linux containers");
  const security = toItems(info["SecurityOptions"]).map(String);
  const devices = toItems(info["DiscoveredDevices"]).map((device) => toText(toFields(device)["ID"]) ?? "");
  const hasRuntime = Object.hasOwn(toFields(info["Runtimes"]), "nvidia");
  const hasCdi = devices.some((id) => id.startsWith("nvidia.com/gpu"));
  return {
    nvidia: hasRuntime ? "runtime" : hasCdi ? "cdi" : undefined,
    hasBridge: toItems(networks).some((network) => toText(toFields(network)["Driver"]) === "bridge"),
    rootless: security.some((entry) => entry.split(",").includes("name=rootless")),
  };
}

export interface ImageFacts {
  name: string;
  /** The digest of its contents; containers are made from this, never from a name. */
  id: string;
  /** It starts `llama-server` itself, as the official ones do. */
  hasEntrypoint: boolean;
}

/** Images are some gigabytes, so none is fetched unless the user does it. Throws `engine_failed` `load_failed`. */
export async function readImage(engine: DockerEngine, name: string): Promise<ImageFacts> {
  if (!/^[\w][\w.\-/:@]{0,300}$/.test(name))
    throw new AgentError(
      "config_invalid",
      `\`${name}\` is no name of an image; use one like \`${LLAMA_IMAGE}\`.`,
      {
        data: { field: "image", value: name },
      },
    );
  const found = await engine
    .ask(
      { to: `describe the image ${name}` },
      () => engine.docker.getImage(name).inspect() as Promise<unknown>,
    )
    .catch((thrown: unknown) => {
      if (statusOf(thrown) !== 404) throw thrown;
      const message = `There is no image \`${name}\` in this Docker engine; \`docker pull ${name}\` fetches it.`;
      throw engineFailed("load_failed", message, { backend: "docker", image: name });
    });
  const id = toText(toFields(found)["Id"]);
  if (id === undefined || !/^(sha256:)?[0-9a-f]{64}$/.test(id)) throw engine.fail("did not answer as one");
  const entrypoint = toFields(toFields(found)["Config"])["Entrypoint"];
  return { name, id, hasEntrypoint: toItems(entrypoint).length > 0 };
}
