import type { ServerSource } from "../llama-server/source.ts";
import type { LoadOptions } from "../protocol.ts";
import type { ContainerManager } from "./manager.ts";
import { toLabel } from "./models.ts";
import type { ContainerProfile } from "./models.ts";

export interface ContainerSourceOptions {
  manager: ContainerManager;
  load: LoadOptions;
  /** What clients call the model; in the container's name. */
  name: string;
  /** Over what the load says. */
  profile?: Partial<ContainerProfile>;
}

/** A model of our server, in a container of its own. */
export function createContainerSource(options: ContainerSourceOptions): ServerSource {
  const { manager, load, name, profile = {} } = options;
  const model = { name: toLabel(name), path: load.modelPath, load, profile };
  return {
    backend: "docker",
    start: (signal) => manager.openModelContainer(model, { signal }),
  };
}
